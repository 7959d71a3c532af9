//! `lb-controller`: see the library.

fn main() -> std::process::ExitCode {
    lb_controller::controller()
}
