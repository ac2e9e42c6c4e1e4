//! The hot paths one at a time, for `cargo xtask bench guard`, which counts their instructions.
//!
//! With no argument but cargo's own, prints the cases and how many paths each is about. With the name of one, prepares it and carries it
//! out once, in [`measured`]: callgrind counts what happens in there. What is counted, and against which figures, is
//! the business of xtask.

mod cases;

use std::hint::black_box;

fn main() {
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    match asked {
        None => cases::ALL.iter().for_each(|case| println!("{} {}", case.name, case.paths)),
        Some(name) => match cases::ALL.iter().find(|case| case.name == name) {
            Some(case) => measured((case.prepare)()),
            None => {
                eprintln!("there is no case called {name}");
                std::process::exit(2);
            }
        },
    }
}

/// Carries out what was prepared. xtask knows this function by its name.
#[inline(never)]
fn measured(work: cases::Work) {
    let work = black_box(work);
    black_box(work());
}
