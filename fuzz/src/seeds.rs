//! Where the corpus begins: real messages, rows, files and names.
//!
//! Fixed, so that the files in `fuzz/corpus` can be compared with them. What
//! fuzzing found stands beside them, as `found-*`.

use driftless_control::Request as Call;
use driftless_control::api::{FolderAdd, StatusQuery};
use driftless_control::fuzzing::write_call;
use driftless_core::{
    Author, Block, BlockHash, Content, ContentId, DeviceId, Entry, Epoch, FileRecord, FolderId,
    Head, Heads, HolderSet, InstanceId, Level, MovedFrom, OnDisk, RelPath, Sequence, Stat, Totals,
    VersionVector,
};
use driftless_daemon::fuzzing::pack;
use driftless_fs::Marker;
use driftless_fs::fuzzing::write_marker;
use driftless_fs::history::{Label, VersionReason};
use driftless_net::fuzzing::write_announcement;
use driftless_proto::codec::{encode, encode_request};
use driftless_proto::message::PROTOCOL_VERSION;
use driftless_proto::{
    BlockRange, FileBlocks, FolderState, Hello, IndexUpdate, Message, PathUpdate, Received,
    Request, RequestBody, Seen, Session,
};
use driftless_store::fuzzing::{write_entry, write_key, write_part, write_totals};

/// An input, by target and name.
pub type Seed = (&'static str, String, Vec<u8>);

/// All seeds.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, inputs: Vec<Vec<u8>>| {
        let numbered = inputs.into_iter().enumerate();
        seeds.extend(numbered.map(|(number, input)| (target, format!("seed-{number:02}"), input)));
    };
    let frames: Vec<_> = messages().iter().map(encode).collect();
    add("packed", frames.iter().cloned().chain([vec![7; 3000]]).map(pack).collect());
    add("session", conversations());
    add("frame", frames.into_iter().chain(floods(2000)).collect());
    let requests = requests();
    let requests = requests.iter().map(encode_request);
    add("request", requests.chain(request_floods(2000)).collect());
    add("entry", entries().iter().map(write_entry).collect());
    add("rows", rows());
    add("config", configs().into_iter().map(String::into_bytes).collect());
    add("ignore", texts(IGNORES));
    add("control", calls());
    add("pairing", pairings());
    add("announcement", announcements());
    add("identifiers", identifiers());
    add("files", files());
    seeds
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a seed's path is one")
}

fn folder() -> FolderId {
    FolderId::parse("notes").expect("it is an ID")
}

fn content_id(byte: u8) -> ContentId {
    ContentId::from_bytes([byte; 32])
}

fn version(counters: &[(u64, u64)]) -> VersionVector {
    let counters = counters.iter().map(|&(author, count)| (Author(author), count)).collect();
    VersionVector::from_counters(counters).expect("a seed's version is one")
}

fn record(number: u64, content: Content) -> FileRecord {
    FileRecord {
        version: version(&[(number, 1 << number), (1 << 60, 3)]),
        content,
        previous: None,
        device: DeviceId::from_bytes([number as u8; 32]),
        changed_ms: 1_795_267_445_999,
        moved_from: None,
        policy_rounds: 0,
    }
}

fn records() -> Vec<FileRecord> {
    let file = Content::File {
        content: content_id(9),
        size_bytes: 70_000,
        level: Level::default(),
        mode: 0o644,
        mtime_ns: -1_795_267_445_123_456_789,
    };
    let moved = MovedFrom { path: path("old/place"), version: version(&[(1, 2)]) };
    vec![
        record(1, Content::Tombstone { moved_to: None }),
        record(2, Content::Tombstone { moved_to: Some(path("elsewhere")) }),
        record(3, Content::Symlink { target: "../target".into() }),
        record(4, Content::Directory { mode: 0o755 }),
        FileRecord { previous: Some(content_id(9)), ..record(5, file.clone()) },
        FileRecord { previous: Some(content_id(8)), moved_from: Some(moved), ..record(6, file) },
    ]
}

fn messages() -> Vec<Message> {
    let state = |seen| FolderState {
        id: folder(),
        label: "Notes".into(),
        epoch: Epoch(u64::MAX),
        sequence: Sequence(9),
        seen,
        acknowledged: Sequence(8),
    };
    let seen = Seen { epoch: Epoch(1), sequence: Sequence(5), wanted_after: Sequence(4) };
    let update = |paths| {
        let (after, upto) = (Sequence(0), Sequence(1 << 40));
        let (folder, epoch) = (folder(), Epoch(7));
        Message::IndexUpdate(IndexUpdate { folder, epoch, after, upto, more: true, paths })
    };
    let lone = |(number, record)| {
        let path = path(&format!("a/file {number}"));
        update(vec![PathUpdate { path, held: vec![record] }])
    };
    let hello = Hello {
        version: PROTOCOL_VERSION,
        device_name: "ada".into(),
        program: "driftless 0.1.0".into(),
        clock_ms: 1_780_000_000_000,
    };
    let received = Received { folder: folder(), epoch: Epoch(1), sequence: Sequence(2) };
    let together = PathUpdate { path: path("a"), held: records() };
    let withdrawn = PathUpdate { path: path("b"), held: Vec::new() };
    let mut messages = vec![
        Message::Hello(hello),
        Message::Folders(vec![]),
        Message::Folders(vec![state(None), state(Some(seen))]),
        Message::Received(received),
        update(vec![together, withdrawn]),
    ];
    messages.extend(records().into_iter().enumerate().map(lone));
    messages
}

/// Frames of nothing but `count` empty parts, which cost little to send.
pub fn floods(count: usize) -> Vec<Vec<u8>> {
    // Field 4 of a frame is an update, whose field 6 are paths, whose field 2
    // are records, whose field 1 are counters; field 2 are folders.
    let update: [(&[u8], u8); 4] =
        [(&[0x22], 0x32), (&[0x22, 0x32], 0x12), (&[0x22, 0x32, 0x12], 0x0a), (&[0x12], 0x0a)];
    update.into_iter().map(|(outer, inner)| flood(outer, inner, count)).collect()
}

/// As [`floods`], for requests: field 3 are blocks, whose field 1 are files,
/// whose field 3 are ranges.
pub fn request_floods(count: usize) -> Vec<Vec<u8>> {
    vec![flood(&[0x1a], 0x0a, count), flood(&[0x1a, 0x0a], 0x1a, count)]
}

/// Nested fields of protobuf, the innermost of them empty and repeated.
fn flood(outer: &[u8], inner: u8, count: usize) -> Vec<u8> {
    let mut bytes = [inner, 0].repeat(count);
    for tag in outer.iter().rev() {
        let mut field = vec![*tag];
        let mut len = bytes.len();
        while len >= 0x80 {
            field.push(len as u8 | 0x80);
            len >>= 7;
        }
        field.push(len as u8);
        field.append(&mut bytes);
        bytes = field;
    }
    bytes
}

fn conversations() -> Vec<Vec<u8>> {
    let conversation = |messages: &[Message]| {
        let framed = messages.iter().flat_map(|message| {
            let (channel, frame) = Session::frame(message);
            let head = [u8::from(channel == driftless_proto::Channel::Control)];
            [&head[..], &(frame.len() as u16).to_be_bytes(), &frame].concat()
        });
        framed.collect::<Vec<u8>>()
    };
    let all = messages();
    vec![conversation(&all), conversation(&all[1..]), conversation(&all[3..4])]
}

fn requests() -> Vec<Request> {
    let hash = BlockHash::from_bytes([5; 32]);
    let block = |offset, len| BlockRange { offset, len, hash };
    let list = RequestBody::BlockList { path: path("a/b"), content: content_id(1) };
    let files = |blocks: Vec<BlockRange>| {
        let file = FileBlocks { path: path("a/b"), content: content_id(1), blocks };
        RequestBody::Blocks(vec![file.clone(), file])
    };
    let groups =
        |groups| RequestBody::ListGroups { path: path("a/b"), content: content_id(1), groups };
    let outlined =
        FileBlocks { path: path("a/b"), content: content_id(1), blocks: vec![block(7, 9)] };
    let outlines = RequestBody::Outlines(outlined);
    let blocks = files(vec![block(0, 1), block(1 << 40, 16 << 20)]);
    [list, files(vec![]), blocks, outlines, groups(vec![]), groups(vec![1, 0, u32::MAX])]
        .map(|body| Request { folder: folder(), body })
        .into()
}

fn entries() -> Vec<Entry> {
    let stat = Stat { size_bytes: 70_000, mtime_ns: 5, ctime_ns: 6, inode: 7, mode: 0o100_644 };
    let head = |record| Head { record, holders: HolderSet::from_bits(5) };
    let conflict = Heads::from_heads(records().into_iter().map(head));
    let mut entries = vec![
        Entry::default(),
        Entry { heads: conflict.clone(), ignored: true, ..Entry::default() },
    ];
    for (number, record) in records().into_iter().enumerate() {
        let disk = OnDisk { record: record.clone(), stat, local: number == 3 };
        let heads =
            if number % 2 == 0 { Heads::from_heads([head(record)]) } else { conflict.clone() };
        entries.push(Entry { heads, disk: Some(disk), ..Entry::default() });
    }
    entries
}

fn rows() -> Vec<Vec<u8>> {
    let block = |len| Block { hash: BlockHash::from_bytes([5; 32]), len };
    let keys = [write_key(&path("a/b")), write_key(&path("a-b"))].concat();
    let row = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    vec![
        row(0, &write_part(1 << 20, &[block(1), block(16 << 20)])),
        row(1, &write_totals(&Totals::default())),
        row(2, &keys),
    ]
}

fn configs() -> Vec<String> {
    let default = include_str!("../../crates/driftless-daemon/src/config/default.toml");
    let device = DeviceId::from_bytes([1; 32]);
    let other = DeviceId::from_bytes([2; 32]);
    let whole = format!(
        r#"name = "ada" # a comment
listen = ["0.0.0.0:22100", "[::]:1"]
discovery = false
requests = false

[[device]]
id = "{device}"
name = "bob"
addresses = ["10.0.0.1:22100", "bob.example:1"]
paused = true

[[device]]
id = "{other}"

[limits]
send_bytes_per_s = "1.5 MiB"
receive_bytes_per_s = 100000
hours = "22:00-06:30"

[history]
days = 9
max_bytes = "2 GiB"

[[folder]]
id = "notes"
label = "Notes"
path = "/nowhere/notes//x/"
mode = "receive-only"
devices = ["{device}", "{other}"]
rescan_s = 0
history = {{ enabled = false, days = 3, max_bytes = "10 GiB" }}
mass_change = {{ at_least = 5, percent = 6, at_most = 7 }}

[[folder]]
id = "photos"
path = '/nowhere/photos'
mass_change = "off"
[folder.history]
days = 36500
"#
    );
    let odd = "\"name\" = '''ada'''\ndevice = []\nfolder.x = 1\n".to_owned();
    vec![default.to_owned(), whole, "name = \"ada\"\n".to_owned(), odd]
}

/// Rule files, each behind the path that is asked about.
const IGNORES: &[&str] = &[
    "a/b.o\n*.o\n!keep.o\n# comment\n\n/build/\n",
    "target\ntarget/\n",
    "a/target/x\n**/target/**\n!a/**/x\n",
    "x\n[a-z\n{a,b\n\\\n**[!a]?*\n",
    ".driftlessignore\n*\n.*\n",
    "a b \n\u{feff}a\\ b\\ \r\n!\n/\n//\n",
];

fn calls() -> Vec<Vec<u8>> {
    let status = Call::StatusQuery(StatusQuery::default());
    let add = Call::FolderAdd(FolderAdd { path: "/nowhere".into(), ..FolderAdd::default() });
    let resolve = r#"{"id":1,"method":"conflict.resolve","params":{"folder":"f","path":"p"}}"#;
    let mut calls: Vec<_> = [status, add].iter().filter_map(write_call).collect();
    calls.extend(texts(&[
        resolve,
        r#"{"cancel":1}"#,
        r#"{"id":1,"ok":[{"a":null},1.5e300,"\ud83d\ude00"]}"#,
        r#"{"id":0,"error":{"code":"usage","message":"m"}}"#,
        r#"{"id":3,"method":"subscribe","params":{"after":5}}"#,
    ]));
    let framed = calls.iter().flat_map(|call| {
        let len = (call.len() as u32).to_be_bytes();
        [&len, call.as_slice()].concat()
    });
    let framed = framed.collect();
    calls.push(framed);
    calls
}

fn pairings() -> Vec<Vec<u8>> {
    // Sides, the identity, the base point, and what is no point at all.
    let point = |side: u8, first: u8, rest: u8| {
        let mut bytes = vec![side, first];
        bytes.resize(33, rest);
        bytes
    };
    let mut inputs = vec![point(b'A', 1, 0), point(b'A', 0x58, 0x66), point(b'B', 0x58, 0x66)];
    inputs.push([point(b'A', 0x58, 0x66), vec![7; 32]].concat());
    inputs.push(point(b'A', 0xff, 0xff));
    inputs.extend(texts(&["[::1]:22100", "10.0.0.1", "bob.example", "  Anna's\u{202e} laptop\n"]));
    // A certificate as far as its name.
    let der = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
    let name = [&[6, 3, 0x55, 4, 3][..], &der(0x0c, b"Anna's laptop\0\0\0")].concat();
    let subject = der(0x30, &der(0x31, &der(0x30, &name)));
    let before =
        [der(0xa0, &[2, 1, 2]), der(2, &[1]), der(0x30, &[]), der(0x30, &[]), der(0x30, &[])];
    inputs.push(der(0x30, &der(0x30, &[before.concat(), subject].concat())));
    inputs
}

fn announcements() -> Vec<Vec<u8>> {
    let device = DeviceId::from_bytes([1; 32]);
    let lines = |properties: Vec<(String, Vec<u8>)>| {
        let line = |(key, value): (String, Vec<u8>)| [key.as_bytes(), b"=", &value, b"\n"].concat();
        properties.into_iter().flat_map(line).collect::<Vec<u8>>()
    };
    let plain = lines(write_announcement(device, [7; 16]));
    let open = [&plain[..], b"p=1\nd=Anna's laptop\n"].concat();
    let with = |addresses: &[[u8; 4]], properties: &[u8]| {
        let head = [0x56, 0x54, addresses.len() as u8];
        [&head[..], &addresses.concat(), properties].concat()
    };
    vec![
        with(&[[10, 0, 0, 1]], &plain),
        with(&[[10, 0, 0, 1], [127, 0, 0, 1], [0, 0, 0, 0], [224, 0, 0, 1]], &open),
        with(&[[10, 0, 0, 1]; 12], &open),
        with(&[], &plain),
    ]
}

fn identifiers() -> Vec<Vec<u8>> {
    let device = DeviceId::from_bytes([0xa5; 32]).to_string();
    let lower = device.to_lowercase().replace('-', " ");
    let instance = InstanceId([0x5a; 16]).to_string();
    let content = content_id(0xc3).to_string();
    let paths = ["a/b/c", "../x", "/a", "a//b", ".driftless/x", "a/.driftless", "a:b", "CON"];
    let mut inputs = texts(&paths);
    inputs.extend(texts(&[&device, &lower, &instance, &content, "photos-2026"]));
    let link =
        format!("driftless://device/{device}?name=Anna%27s%20%F0&address=a:1&address=%5B::1%5D:1");
    inputs.push(link.into_bytes());
    inputs
}

fn files() -> Vec<Vec<u8>> {
    let marker = Marker { folder: folder(), instance: InstanceId([0x5a; 16]) };
    let mut inputs = vec![write_marker(&marker).into_bytes()];
    let long = "n".repeat(255);
    for original in ["report.txt", "Makefile", ".bashrc", "x~y.tar.gz", &long, "a#b"] {
        let path = path(original);
        let reason = VersionReason::Overwritten;
        let label =
            Label { path: &path, reason, device_short: "ABC2345", now_ms: 1_795_267_445_999 };
        inputs.push(original.as_bytes().to_vec());
        inputs.push(label.file_name(1).into_bytes());
    }
    inputs
}
