//! The command `mer`. All of it is in the library.

fn main() -> std::process::ExitCode {
    mer::main_impl()
}
