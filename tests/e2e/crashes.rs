//! Daemons that are killed at any moment.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::harness::{Device, Random, Scratch, content, seed, settle_equal, two_devices};

/// How often one of the two daemons is killed.
const KILLS: usize = 10;

/// The longest time between a start and the kill.
const LONGEST_MS: u64 = 1_200;

/// One person at one device, who touches nothing of the other's.
struct Person {
    files: BTreeMap<String, Vec<u8>>,
    counter: u64,
}

impl Person {
    /// Does one thing to the folder: mostly writes, now and then moves or deletes.
    fn act(&mut self, device: &Device, random: &mut Random) {
        let root = device.path("notes").join(device.name());
        fs::create_dir_all(root.join("sub")).unwrap();
        self.counter += 1;
        let known = self.files.keys().nth(random.below(self.files.len().max(1) as u64) as usize);
        match (random.below(10), known.cloned()) {
            (0, Some(path)) => {
                fs::remove_file(root.join(&path)).unwrap();
                self.files.remove(&path);
            }
            (1 | 2, Some(path)) => {
                let to = format!("sub/moved {}", self.counter);
                fs::rename(root.join(&path), root.join(&to)).unwrap();
                let bytes = self.files.remove(&path).unwrap();
                self.files.insert(to, bytes);
            }
            (what, known) => {
                let path = known.filter(|_| what < 5);
                let path = path.unwrap_or_else(|| format!("file {}", self.counter));
                let size = if what == 9 { 700_000 } else { 3_000 };
                let bytes = content(&format!("{}'s write {}", device.name(), self.counter), size);
                fs::write(root.join(&path), &bytes).unwrap();
                self.files.insert(path, bytes);
            }
        }
    }

    fn finds_everything_on(&self, device: &Device, name: &str) {
        for (path, bytes) in &self.files {
            let found = fs::read(device.path("notes").join(name).join(path));
            let found = found.unwrap_or_else(|error| format!("{error}\n").into_bytes());
            let (expected, seen) = (title(bytes), title(&found));
            assert!(found == *bytes, "{path} on {}: {seen}, not {expected}", device.name());
        }
    }
}

fn title(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    format!("{:?} ({} bytes)", String::from_utf8_lossy(line), bytes.len())
}

/// P1, P2, P3, P13, P14, N1, I1, I2: whatever a kill interrupts goes on later.
#[test]
fn p1_ten_kills_in_the_middle_of_busy_work_lose_nothing_and_make_no_conflict() {
    let mut random = Random::new(seed());
    let scratch = Scratch::new();
    let (mut ada, mut bob) = two_devices(&scratch);
    let mut people = [0; 2].map(|counter| Person { files: BTreeMap::new(), counter });
    for kill in 0..KILLS {
        let moment = Instant::now() + Duration::from_millis(random.below(LONGEST_MS));
        while Instant::now() < moment {
            people[0].act(&ada, &mut random);
            people[1].act(&bob, &mut random);
        }
        let victim = if random.below(2) == 0 { &mut ada } else { &mut bob };
        victim.kill();
        // The other one goes on, and so does the person whose daemon is dead.
        for _ in 0..random.below(30) {
            people[0].act(&ada, &mut random);
            people[1].act(&bob, &mut random);
        }
        let victim = if ada.is_running() { &mut bob } else { &mut ada };
        victim.start();
        println!("kill {kill}: {}", victim.name());
    }
    settle_equal("notes", &[&ada, &bob]);
    for (person, name) in people.iter().zip(["ada", "bob"]) {
        person.finds_everything_on(&ada, name);
        person.finds_everything_on(&bob, name);
    }
    for device in [&ada, &bob] {
        assert_eq!(device.conflicts("notes"), []);
        for surprise in ["breaks the rules", "rolled back"] {
            assert!(!device.logged().contains(surprise), "{} logged: {surprise}", device.name());
        }
    }
}
