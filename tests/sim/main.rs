//! Whole clusters in one process under a simulated clock.

mod sweep;
