//! Servers of a cloud that a script stands for.

use super::support::{Fleet, is_alive, pi_backend, port_block, signal_to};
use std::path::{Path, PathBuf};

/// A cloud in a folder; what still runs in it ends with the test.
struct Cloud(PathBuf);

impl Cloud {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("lb-cloud-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn service(&self) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/cloud.sh");
        let (server, port) = (pi_backend(), port_block());
        let command = |verb: &str| {
            format!(
                "{verb} = [{:?}, {verb:?}, {:?}, \"{port}\", {:?}]\n",
                script.display().to_string(),
                self.0.display().to_string(),
                server.display().to_string()
            )
        };
        format!(
            "[service.web]\nprovider = \"exec\"\n{}{}{}check = \"/ping\"\npool = \"default\"\n\
             servers = {{ desired = 2, max = 3 }}\n",
            command("launch"),
            command("list"),
            command("stop")
        )
    }

    /// The units that run.
    fn pids(&self) -> Vec<u32> {
        let units = std::fs::read_dir(&self.0).expect("is there").flatten();
        let pid = |unit: PathBuf| std::fs::read_to_string(unit.join("pid")).ok();
        let pids = units.filter_map(|unit| pid(unit.path())?.trim().parse().ok());
        pids.filter(|pid| is_alive(*pid)).collect()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        for pid in self.pids() {
            signal_to(pid, "-KILL");
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn units_of_the_users_commands_are_kept_healed_and_stopped() {
    let cloud = Cloud::new();
    let mut fleet = Fleet::start("exec", &cloud.service());
    fleet.wait_serving(2);
    let before = cloud.pids();
    assert_eq!(before.len(), 2);
    signal_to(before[0], "-KILL");
    fleet.wait(30, "replaced", |it| {
        let now = cloud.pids();
        it.serving() == 2 && now.len() == 2 && !now.contains(&before[0])
    });
    assert!(
        cloud.pids().contains(&before[1]),
        "the other one is left alone"
    );
    let history = fleet.history();
    assert!(history.contains("its machine is gone"), "{history}");

    // A new controller finds what its predecessor launched.
    let units = cloud.pids();
    fleet.kill_controller();
    fleet.run();
    fleet.wait(20, "two serve", |it| it.serving() == 2);
    assert_eq!(cloud.pids(), units);

    let (status, answer) = fleet.call("POST", "/v1/services/web/stop", "");
    assert!(status < 300, "{status} {answer}");
    fleet.wait(60, "all are stopped", |_| cloud.pids().is_empty());
}
