//! What is nobody's business: other folders, ignored files, other users' sockets.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use bytes::Bytes;
use driftless_core::{BlockHash, ContentId, FolderId};
use driftless_net::CloseReason;
use driftless_proto::codec::encode_request;
use driftless_proto::{BlockRange, FileBlocks, Message, Request, RequestBody};

use super::evil::{Link, folder};
use super::scene::{self, Scene, process_of};
use crate::harness::{SOON, Scratch, check, until};

const SECRET: &[u8] = b"what is in the folder that Eve has no part in";

/// Asks for a file of one block.
fn blocks_of(folder: &str, path: &str, bytes: &[u8]) -> Vec<u8> {
    let hash = BlockHash::of(bytes);
    let range = BlockRange { offset: 0, len: bytes.len() as u32, hash };
    let content = ContentId::from_bytes(*hash.as_bytes());
    let file = FileBlocks { path: scene::path(path), content, blocks: vec![range] };
    let folder = FolderId::parse(folder).unwrap();
    encode_request(&Request { folder, body: RequestBody::Blocks(vec![file]) })
}

fn list_of(folder: &str, path: &str, bytes: &[u8]) -> Vec<u8> {
    let content = ContentId::from_bytes(*BlockHash::of(bytes).as_bytes());
    let folder = FolderId::parse(folder).unwrap();
    let body = RequestBody::BlockList { path: scene::path(path), content };
    encode_request(&Request { folder, body })
}

/// Asks what a file of one block consists of, and for the groups of its list.
fn outlines_of(folder: &str, path: &str, bytes: &[u8]) -> [Vec<u8>; 2] {
    let (hash, path) = (BlockHash::of(bytes), scene::path(path));
    let range = BlockRange { offset: 0, len: bytes.len() as u32, hash };
    let content = ContentId::from_bytes(*hash.as_bytes());
    let groups = RequestBody::ListGroups { path: path.clone(), content, groups: vec![] };
    let outlines = RequestBody::Outlines(FileBlocks { path, content, blocks: vec![range] });
    let folder = FolderId::parse(folder).unwrap();
    [groups, outlines].map(|body| encode_request(&Request { folder: folder.clone(), body }))
}

/// H10, H15, I13: what Eve has no part in is answered like what does not exist,
/// also where she knows its name, its hash and its length.
#[test]
fn h10_h15_other_folders_and_ignored_files_are_answered_like_what_does_not_exist() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    scene.ada.add_folder("private", &["bob"], &["--label", "Divorce"]);
    fs::write(scene.ada.path("private").join("plan"), SECRET).unwrap();
    let notes = scene.ada.path("notes");
    fs::write(notes.join(".driftlessignore"), "hidden\n").unwrap();
    fs::write(notes.join("hidden"), SECRET).unwrap();
    fs::write(notes.join("open"), "for all").unwrap();
    scene.ada.reaches("private", "up-to-date");
    let link = scene.eve.connect(&scene.ada);
    until(SOON, "eve hears of what is for all", || {
        check(link.told_of("open").is_some(), || format!("{:?}", link.heard()))
    });
    assert_eq!(link.ask(&blocks_of("notes", "open", b"for all")).unwrap(), b"\0for all");

    let nothing = link.ask(&blocks_of("nowhere", "plan", SECRET));
    assert!(nothing.as_ref().unwrap_err().contains("refused the request (code 1)"), "{nothing:?}");
    assert_eq!(link.ask(&blocks_of("private", "plan", SECRET)), nothing);
    assert_eq!(link.ask(&list_of("private", "plan", SECRET)), nothing);
    assert_eq!(link.ask(&list_of("nowhere", "plan", SECRET)), nothing);

    for header in outlines_of("private", "plan", SECRET) {
        assert_eq!(link.ask(&header), nothing);
    }
    for header in outlines_of("notes", "open", b"for all") {
        assert!(link.ask(&header).unwrap().len() > 32);
    }

    let absent = link.ask(&blocks_of("notes", "absent", SECRET)).unwrap();
    assert_eq!(absent, [1]);
    // The same content at a path that is shared, ignored, or another folder's.
    for path in ["hidden", "open", "plan", ".driftlessignore/x", "kept.txt"] {
        assert_eq!(link.ask(&blocks_of("notes", path, SECRET)).unwrap(), absent, "{path}");
        assert_eq!(link.ask(&list_of("notes", path, SECRET)), nothing, "{path}");
        for header in outlines_of("notes", path, SECRET) {
            assert_eq!(link.ask(&header), nothing, "{path}");
        }
    }
    // A path and content that are shared, and a block of another file's at its place.
    let hash = BlockHash::of(b"for all");
    let probe = BlockRange { offset: 0, len: SECRET.len() as u32, hash: BlockHash::of(SECRET) };
    let beyond = BlockRange { offset: 1 << 40, len: 7, hash };
    let content = ContentId::from_bytes(*hash.as_bytes());
    let file = FileBlocks { path: scene::path("open"), content, blocks: vec![probe, beyond] };
    let header =
        encode_request(&Request { folder: folder(), body: RequestBody::Blocks(vec![file]) });
    assert_eq!(link.ask(&header).unwrap(), [1, 1]);
    assert_eq!(link.ask(b"\xff\xff no request"), nothing);

    says_nothing_of(&link, "private");
    // That she says to share it gives her no part in it.
    let mut folders = vec![];
    for id in ["notes", "private"] {
        folders.push(driftless_proto::FolderState {
            id: FolderId::parse(id).unwrap(),
            label: id.into(),
            epoch: driftless_core::Epoch(1),
            sequence: driftless_core::Sequence(0),
            seen: None,
            acknowledged: driftless_core::Sequence(0),
        });
    }
    link.say(&Message::Folders(folders));
    scene.is_unharmed();
    says_nothing_of(&link, "private");
    assert_eq!(link.ask(&blocks_of("private", "plan", SECRET)), nothing);
}

fn says_nothing_of(link: &Link, secret: &str) {
    for message in link.heard() {
        let text = format!("{message:?}");
        assert!(!text.contains(secret) && !text.contains("Divorce"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}

/// N8, H10: who is removed gets no further byte, whatever was under way.
#[test]
fn n8_a_device_that_is_removed_in_mid_transfer_gets_no_more() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    let bytes = vec![0x5a; 128 << 10];
    for number in 0..600 {
        let bytes = [&u32::to_be_bytes(number)[..], &bytes[4..]].concat();
        fs::write(scene.ada.path("notes").join(format!("part-{number:03}")), bytes).unwrap();
    }
    let link = scene.eve.connect(&scene.ada);
    let told = until(SOON, "eve knows the parts", || {
        let told: Vec<_> = (0..600)
            .filter_map(|number| {
                let path = format!("part-{number:03}");
                let content = link.told_of(&path)?[0].content.file()?.0;
                Some((scene::path(&path), content))
            })
            .collect();
        if told.len() == 600 { Ok(told) } else { Err(told.len().to_string()) }
    });
    let files = told.iter().take(500).map(|(path, content)| {
        let hash = BlockHash::from_bytes(*content.as_bytes());
        let blocks = vec![BlockRange { offset: 0, len: 128 << 10, hash }];
        FileBlocks { path: path.clone(), content: *content, blocks }
    });
    let body = RequestBody::Blocks(files.collect());
    let header = Bytes::from(encode_request(&Request { folder: folder(), body }));
    let mut response = link.wait(link.connection.request(header)).unwrap();
    link.wait(response.read_exact(&mut [0; 1 << 20])).unwrap();

    scene.ada.ok(&["device", "remove", "eve"]);
    // On a link as full as this the packet that says so can be lost; then
    // nobody knows the connection any more.
    let reason = link.is_cut();
    assert!(matches!(reason, CloseReason::Removed | CloseReason::Lost), "{reason:?}");
    let mut came = 0;
    let ended = loop {
        match link.wait(response.read_chunk(1 << 20)) {
            Ok(Some(piece)) => came += piece.len(),
            Ok(None) => panic!("the whole answer came"),
            Err(error) => break error,
        }
    };
    assert_eq!(ended, driftless_net::ResponseError::Closed);
    // At most what was on its way already: QUIC's window for one answer.
    assert!(came <= 16 << 20, "{came} bytes after it was removed");
    scene.eve.is_turned_away_by(&scene.ada);
    scene.is_unharmed();
    assert!(!scene.ada.status().to_string().contains("eve"));
}

/// L1: another user of the same machine learns nothing and changes nothing.
#[test]
fn l1_another_user_of_the_machine_cannot_control_the_daemon() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("passed over: only root can become another user");
        return;
    }
    let scratch = Scratch::new();
    let scene = Scene::new(&scratch);
    // So that nothing but the daemon itself stands in the way.
    let home = std::env::temp_dir().join(format!("driftless-l1-{}", std::process::id()));
    fs::create_dir(&home).unwrap();
    let socket = home.join("control.sock");
    fs::hard_link(scene.ada.home().join("control.sock"), &socket)
        .or_else(|_| std::os::unix::fs::symlink(scene.ada.home().join("control.sock"), &socket))
        .unwrap();
    let program = home.join("driftless");
    fs::copy(env!("CARGO_BIN_EXE_driftless"), &program).unwrap();
    let status = |uid: u32| {
        let mut command = Command::new(&program);
        command.arg("--home").arg(&home).arg("status").current_dir("/").env_clear();
        command.uid(uid).gid(uid);
        // A child that another test has just forked holds the copy open for
        // writing until it runs its own program.
        until(SOON, "the copy can be run", || command.output().map_err(|error| error.to_string()))
    };
    let own = status(0);
    let other = status(65534);
    fs::remove_dir_all(&home).unwrap();
    assert!(own.status.success() && String::from_utf8_lossy(&own.stdout).contains("notes"));
    assert!(!other.status.success(), "{other:?}");
    let said = [other.stdout, other.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(!said.contains("notes") && said.contains("another user"), "{said}");
}

/// L2, L3: nothing that a web page could reach listens: no TCP at all.
#[test]
fn l2_l3_the_daemon_listens_on_no_tcp_port() {
    let scratch = Scratch::new();
    let scene = Scene::new(&scratch);
    let process = process_of(&scene.ada);
    let inodes: BTreeSet<String> = fs::read_dir(process.join("fd"))
        .unwrap()
        .filter_map(|entry| {
            let target = fs::read_link(entry.unwrap().path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let of_ada = |table: &str| {
        let table = fs::read_to_string(process.join("net").join(table)).unwrap();
        let inode = |line: &str| line.split_whitespace().nth(9).map(str::to_owned);
        let lines = table.lines().skip(1).filter_map(inode);
        lines.filter(|inode| inodes.contains(inode)).count()
    };
    assert!(of_ada("udp") > 0, "its sockets are recognised");
    assert_eq!((of_ada("tcp"), of_ada("tcp6")), (0, 0));
}
