use super::*;
use proptest::prelude::*;

fn path() -> impl Strategy<Value = RelPath> {
    "[a-zä ]{1,8}(/[a-z.]{3,5}){0,3}".prop_map(|text| RelPath::parse(&text).unwrap())
}

fn version() -> impl Strategy<Value = VersionVector> {
    proptest::collection::btree_map(any::<u64>(), 1..(1_u64 << 48), 1..5).prop_map(|map| {
        VersionVector::from_counters(map.into_iter().map(|(a, c)| (Author(a), c)).collect())
            .unwrap()
    })
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        proptest::option::of(path()).prop_map(|moved_to| Content::Tombstone { moved_to }),
        "[a-z/.]{1,20}".prop_map(|target| Content::Symlink { target: target.into() }),
        (0..=MODE_MASK).prop_map(|mode| Content::Directory { mode }),
        (any::<[u8; 32]>(), 0..=MAX_FILE_BYTES, 0..=6_u8, 0..=MODE_MASK, any::<i64>()).prop_map(
            |(content, size_bytes, level, mode, mtime_ns)| Content::File {
                content: ContentId::from_bytes(content),
                size_bytes,
                level: Level::new(level).unwrap(),
                mode,
                mtime_ns,
            }
        ),
    ]
}

fn record() -> impl Strategy<Value = FileRecord> {
    let moved_from = proptest::option::of(
        (path(), version()).prop_map(|(path, version)| MovedFrom { path, version }),
    );
    let previous = proptest::option::of(any::<[u8; 32]>().prop_map(ContentId::from_bytes));
    let rest = (any::<u64>(), moved_from, 0..=MAX_ROUNDS);
    (version(), content(), previous, any::<[u8; 32]>(), rest).prop_map(
        |(version, content, previous, device, (changed_ms, moved_from, policy_rounds))| {
            FileRecord {
                version,
                content,
                previous,
                device: DeviceId::from_bytes(device),
                changed_ms,
                moved_from,
                policy_rounds,
            }
        },
    )
}

fn update() -> impl Strategy<Value = Message> {
    let paths = proptest::collection::vec(
        (path(), proptest::collection::vec(record(), 0..3))
            .prop_map(|(path, held)| PathUpdate { path, held }),
        0..5,
    );
    (any::<u64>(), 0..1000_u64, 0..1000_u64, any::<bool>(), paths).prop_map(
        |(epoch, after, more_by, more, paths)| {
            Message::IndexUpdate(IndexUpdate {
                folder: FolderId::parse("f").unwrap(),
                epoch: Epoch(epoch),
                after: Sequence(after),
                upto: Sequence(after + more_by),
                more,
                paths,
            })
        },
    )
}

proptest! {
    #[test]
    fn an_index_update_reads_back(message in update()) {
        let frame = encode(&message);
        prop_assert_eq!(decode(&frame).unwrap(), message);
    }

    #[test]
    fn any_bytes_are_read_or_refused_but_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        let _ = decode_request(&bytes);
    }

    #[test]
    fn a_damaged_update_never_panics(message in update(), at in any::<proptest::sample::Index>(), to: u8) {
        let mut frame = encode(&message);
        let at = at.index(frame.len());
        frame[at] = to;
        let _ = decode(&frame);
    }
}

#[test]
fn control_messages_read_back() {
    let folder = FolderId::parse("photos").unwrap();
    let seen = Some(Seen { epoch: Epoch(3), sequence: Sequence(5), wanted_after: Sequence(4) });
    let state = FolderState {
        id: folder.clone(),
        label: "Photos".into(),
        epoch: Epoch(1),
        sequence: Sequence(2),
        seen,
        acknowledged: Sequence(1),
    };
    for message in [
        Message::Hello(Hello {
            version: 1,
            device_name: "laptop".into(),
            program: "driftless 0.1".into(),
            clock_ms: 1_780_000_000_000,
        }),
        Message::Folders(vec![state.clone(), FolderState { seen: None, ..state }]),
        Message::Received(Received { folder, epoch: Epoch(9), sequence: Sequence(8) }),
    ] {
        assert_eq!(decode(&encode(&message)).unwrap(), message);
    }
}

/// H3
#[test]
fn requests_read_back_and_are_bounded() {
    let block = |len| BlockRange { offset: 7, len, hash: BlockHash::of(b"x") };
    let file = |blocks| FileBlocks {
        path: RelPath::parse("a/b").unwrap(),
        content: ContentId::from_bytes([1; 32]),
        blocks,
    };
    let folder = || FolderId::parse("f").unwrap();
    let requests = |blocks: Vec<BlockRange>| {
        let outlines = RequestBody::Outlines(file(blocks.clone()));
        [RequestBody::Blocks(vec![file(blocks)]), outlines]
            .map(|body| Request { folder: folder(), body })
    };
    for good in requests(vec![block(1), block(MAX_BLOCK_BYTES)]) {
        assert_eq!(decode_request(&encode_request(&good)).unwrap(), good);
    }
    for bad in [
        vec![block(0)],
        vec![block(MAX_BLOCK_BYTES + 1)],
        vec![block(MAX_BLOCK_BYTES); 5],
        vec![block(1); 4097],
    ] {
        for request in requests(bad) {
            let refused = decode_request(&encode_request(&request));
            assert!(matches!(refused, Err(DecodeError::Bounds(_))));
        }
    }
}

/// H1, H3, H8
#[test]
fn hostile_records_are_refused() {
    let good = wire::Record {
        version: vec![wire::Counter { author: 1, count: 1 }],
        content: Some(wire::record::Content::Directory(wire::Directory { mode: 0o755 })),
        device: vec![0; 32],
        ..Default::default()
    };
    assert!(record_from_wire(good.clone()).is_ok());
    let file = |size, level, mode| {
        let content = wire::File { content: vec![0; 32], size, level, mode, mtime_ns: 0 };
        wire::Record { content: Some(wire::record::Content::File(content)), ..good.clone() }
    };
    let counter =
        |count| wire::Record { version: vec![wire::Counter { author: 1, count }], ..good.clone() };
    let escape = wire::MovedFrom { path: "../x".into(), version: good.version.clone() };
    for (what, bad) in [
        ("counter", counter(u64::MAX)),
        ("no counter", counter(0)),
        ("no version", wire::Record { version: Vec::new(), ..good.clone() }),
        ("no content", wire::Record { content: None, ..good.clone() }),
        ("short device", wire::Record { device: vec![0; 31], ..good.clone() }),
        ("size", file(u64::MAX, 0, 0)),
        ("level", file(1, 7, 0)),
        ("setuid", file(1, 0, 0o4755)),
        ("escape", wire::Record { moved_from: Some(escape), ..good.clone() }),
    ] {
        assert!(record_from_wire(bad).is_err(), "{what}");
    }
}
