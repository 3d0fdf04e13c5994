//! The `locum` command.

fn main() {
    std::process::exit(locum::cli::main(std::env::args().skip(1)));
}
