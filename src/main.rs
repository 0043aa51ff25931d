//! The `sixways` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sixways::cli::main()
}
