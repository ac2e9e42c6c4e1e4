//! Seeds: many at random, and those that once failed.

use driftless_testkit::run_random;

#[test]
fn random_worlds_keep_every_guarantee() {
    let seeds = match std::env::var("DRIFTLESS_SIM_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => {
            let n = std::env::var("DRIFTLESS_SIM_SEEDS")
                .ok()
                .and_then(|n| n.parse().ok())
                .unwrap_or(0_u64);
            (0..n).collect()
        }
    };
    let mut failed = 0;
    for seed in &seeds {
        if let Err(failure) = run_random(
            *seed,
            std::env::var("DRIFTLESS_SIM_STEPS").ok().and_then(|n| n.parse().ok()).unwrap_or(120),
        ) {
            failed += 1;
            eprintln!("{failure}");
        }
    }
    assert_eq!(failed, 0, "of {}", seeds.len());
}
