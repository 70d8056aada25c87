//! A real Slurm cluster for tests: munged, slurmctld and slurmd of this machine in a temporary folder, on free loopback
//! ports, ended with the test.
//!
//! It has one node, which claims to have [`CPUS`] processors, and the partitions [`PARTITIONS`]. `SLURM_CONF` names the
//! cluster for Slurm's commands. The daemons run as the user of the test; under root, munged runs as `munge`.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::fs::{Gid, Uid, chown};
use tempfile::TempDir;

use crate::{processes, require};

/// Number of processors of the node.
pub const CPUS: u32 = 8;

/// The partitions: one for all jobs, one whose jobs may run for a minute, and one that starts none.
pub const PARTITIONS: [&str; 3] = ["debug", "short", "stopped"];

/// How long the daemons may take to start, on a loaded machine.
const START: Duration = Duration::from_secs(60);

const PROGRAMS: [&str; 6] = ["munged", "slurmctld", "slurmd", "srun", "scancel", "sinfo"];

/// A running cluster. Dropping it ends its daemons.
#[derive(Debug)]
pub struct Cluster {
    munged: Child,
    controller: Option<Child>,
    node: Option<Child>,
    folder: TempDir,
}

impl Cluster {
    /// Starts a cluster. `None`, after reporting it, if Slurm or munge is not installed.
    #[track_caller]
    #[must_use]
    pub fn start() -> Option<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|name| require::program(name, &[]).is_none()) {
            require::missing("slurm", &format!("no `{missing}` (packages slurm-wlm and munge)"));
            return None;
        }
        for _ in 0..5 {
            if let Some(cluster) = Self::launch() {
                return Some(cluster);
            }
        }
        panic!("Slurm does not start");
    }

    /// Starts the daemons. `None` if one of them ended at once, as on a port that is taken.
    fn launch() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("merslurm").tempdir().expect("a temporary folder");
        // The daemon of munge, and the user of jobs, pass through it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod of a folder of ours");
        for name in ["state", "spool"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let munged = munged(folder.path());
        let socket = folder.path().join("munge/socket");
        let mut cluster = Self { munged, controller: None, node: None, folder };
        processes::until_listening(&socket, START);
        fs::write(cluster.conf(), configuration(cluster.folder.path())).expect("slurm.conf");
        cluster.start_controller();
        cluster.start_node();
        let ready = processes::poll(START, || {
            let ended =
                |child: &mut Option<Child>| child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended(&mut cluster.controller) || ended(&mut cluster.node) {
                return Some(false);
            }
            cluster.node_state().starts_with("idle").then_some(true)
        });
        assert!(ready.is_some(), "the node does not become idle: {}", cluster.log());
        (ready == Some(true)).then_some(cluster)
    }

    /// The value of `SLURM_CONF`.
    #[must_use]
    pub fn conf(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// A folder that every job can use.
    #[must_use]
    pub fn shared(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command of Slurm, and returns its output.
    #[track_caller]
    pub fn call<const N: usize>(&self, name: &str, arguments: [&str; N]) -> Output {
        let program = require::program(name, &[]).expect("it was there at the start");
        let mut command = Command::new(program);
        command.args(arguments).env("SLURM_CONF", self.conf()).env("LC_ALL", "C").stdin(Stdio::null());
        command.output().expect("a command of Slurm starts")
    }

    /// The jobs that wait, run or are being ended: number, name and state of each.
    #[must_use]
    pub fn jobs(&self) -> Vec<String> {
        let told = self.call("squeue", ["-h", "-o", "%i %j %T"]);
        String::from_utf8_lossy(&told.stdout).lines().map(|line| line.trim().to_owned()).collect()
    }

    /// Waits until a job is in this state.
    #[track_caller]
    pub fn wait_job(&self, state: &str) -> String {
        let found = processes::poll(START, || {
            self.jobs().into_iter().find_map(|job| Some(job.strip_suffix(state)?.split(' ').next()?.to_owned()))
        });
        found.unwrap_or_else(|| panic!("no job became {state}: {:?}", self.jobs()))
    }

    /// Puts a running job back into the queue, and waits until it is there.
    #[track_caller]
    pub fn requeue(&self, job: &str) {
        let told = self.call("scontrol", ["requeue", job]);
        assert!(told.status.success(), "{told:?}");
        assert_eq!(self.wait_job("PENDING"), job);
    }

    /// Lets a job begin that was put back into the queue. Slurm itself waits for two minutes.
    #[track_caller]
    pub fn begin_now(&self, job: &str) {
        assert_eq!(self.wait_job("PENDING"), job);
        // The end of its former attempt puts the time off once more.
        processes::until("the job begins", START, || {
            self.call("scontrol", ["update", &format!("JobId={job}"), "StartTime=now"]);
            !self.jobs().iter().any(|line| line.starts_with(&format!("{job} ")) && line.ends_with("PENDING"))
        });
    }

    /// Waits until no job waits, runs or is being ended.
    #[track_caller]
    pub fn assert_no_jobs(&self, bound: Duration) {
        if processes::poll(bound, || self.jobs().is_empty().then_some(())).is_none() {
            panic!("still there after {bound:?}: {:?}\n{}", self.jobs(), self.log());
        }
    }

    /// Ends the controller, as for maintenance.
    pub fn stop_controller(&mut self) {
        end(self.controller.take());
    }

    /// Starts the controller again.
    pub fn start_controller(&mut self) {
        self.controller = Some(self.daemon("slurmctld", "controller.log"));
    }

    /// Kills the daemon of the node with SIGKILL. What it started goes on.
    pub fn kill_node(&mut self) {
        end(self.node.take());
    }

    /// Starts the daemon of the node.
    pub fn start_node(&mut self) {
        self.node = Some(self.daemon("slurmd", "node.log"));
    }

    /// The end of the daemons' logs.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = String::new();
        for name in ["controller.log", "node.log"] {
            let log = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            text.push_str(&lines[lines.len().saturating_sub(15)..].join("\n"));
            text.push('\n');
        }
        text
    }

    fn node_state(&self) -> String {
        String::from_utf8_lossy(&self.call("sinfo", ["-h", "-p", PARTITIONS[0], "-o", "%t"]).stdout).trim().to_owned()
    }

    fn daemon(&self, name: &str, log: &str) -> Child {
        let log = File::options().append(true).create(true).open(self.folder.path().join(log)).expect("a log file");
        let program = require::program(name, &[]).expect("it was there at the start");
        // In the foreground, so that its pid is known.
        let mut command = Command::new(program);
        command.arg("-D").env("SLURM_CONF", self.conf()).current_dir("/").stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a descriptor")).stderr(log).spawn().expect("a daemon starts")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its jobs first, as their processes are not children of these daemons.
        let _ = self.call("scancel", ["--quiet", "--signal=KILL", "--state=RUNNING"]);
        let _ = processes::poll(Duration::from_secs(5), || {
            let _ = self.call("scancel", ["--quiet", &format!("--user={}", mer_user())]);
            self.jobs().is_empty().then_some(())
        });
        end(self.node.take());
        end(self.controller.take());
        // What is left of jobs whose node daemon was killed: they carry the path of this cluster.
        for pid in processes::with_nonce(&self.conf().display().to_string()) {
            processes::kill(pid);
        }
        let _ = self.munged.kill();
        let _ = self.munged.wait();
    }
}

/// Ends a daemon, and its children with it.
fn end(daemon: Option<Child>) {
    let Some(mut daemon) = daemon else { return };
    let below = processes::descendants(daemon.id());
    let _ = daemon.kill();
    let _ = daemon.wait();
    // The job steps of a node daemon have left its process tree; what is left here are helpers.
    for pid in below.into_iter().filter(|pid| !processes::describe(*pid).contains("slurmstepd")) {
        processes::kill(pid);
    }
}

/// Starts munged with a key of its own.
fn munged(folder: &Path) -> Child {
    let own = folder.join("munge");
    fs::create_dir(&own).expect("a folder");
    let key = own.join("key");
    let mut random = File::open("/dev/urandom").expect("random bytes");
    let mut bytes = [0_u8; 1024];
    std::io::Read::read_exact(&mut random, &mut bytes).expect("random bytes");
    fs::write(&key, bytes).expect("a key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).expect("chmod of a file of ours");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).expect("chmod of a folder of ours");
    let program = require::program("munged", &[]).expect("it was there at the start");
    let mut command = match munge_user() {
        Some((uid, gid)) => {
            for path in [&own, &key] {
                chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).expect("chown, as root");
            }
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={uid}"), format!("--regid={gid}")]).arg("--clear-groups").arg(program);
            command
        }
        None => Command::new(program),
    };
    // `--force`: the temporary folder above need not be as strict as munge wants it.
    command.args(["--foreground", "--force"]);
    for (option, name) in
        [("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed")]
    {
        command.arg(format!("--{option}={}", own.join(name).display()));
    }
    let log = File::create(folder.join("munged.log")).expect("a log file");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log).current_dir("/");
    command.spawn().expect("munged starts")
}

/// For root, the user and group that munged runs as.
fn munge_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("`/etc/passwd` is readable");
    let fields = users.lines().find(|line| line.starts_with("munge:")).expect("root needs a user `munge`");
    let mut ids = fields.split(':').skip(2).map(|id| id.parse().expect("a number"));
    Some((ids.next().expect("a uid"), ids.next().expect("a gid")))
}

fn configuration(folder: &Path) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    let host = host.trim().split('.').next().unwrap_or("localhost").to_owned();
    let (controller, node) = free_ports();
    let user = mer_user();
    let folder = folder.display();
    let [debug, short, stopped] = PARTITIONS;
    format!(
        "ClusterName=mertest\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\n\
         AuthType=auth/munge\nAuthInfo=socket={folder}/munge/socket\nCredType=cred/munge\nSlurmUser={user}\n\
         SlurmdUser={user}\nStateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n\
         SlurmctldPidFile={folder}/controller.pid\nSlurmdPidFile={folder}/node.pid\nProctrackType=proctrack/linuxproc\n\
         TaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\nSelectType=select/cons_tres\n\
         SelectTypeParameters=CR_Core\nAccountingStorageType=accounting_storage/none\nMpiDefault=none\n\
         SwitchType=switch/none\nReturnToService=2\nSlurmdParameters=config_overrides\nSlurmdTimeout=5\nKillWait=2\n\
         PreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\n\
         SchedulerParameters=sched_interval=1,sched_min_interval=0\n\
         NodeName={host} NodeAddr=127.0.0.1 CPUs={CPUS} State=UNKNOWN\n\
         PartitionName={debug} Nodes={host} Default=YES PriorityTier=1 State=UP\n\
         PartitionName=urgent Nodes={host} PriorityTier=9 State=UP\n\
         PartitionName={short} Nodes={host} PriorityTier=1 MaxTime=1 State=UP\n\
         PartitionName={stopped} Nodes={host} PriorityTier=1 State=DOWN\n"
    )
}

/// The name of the user of the test.
fn mer_user() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").expect("`/etc/passwd` is readable");
    let line = users.lines().find(|line| line.split(':').nth(2) == Some(&uid));
    line.and_then(|line| line.split(':').next()).unwrap_or("root").to_owned()
}

fn free_ports() -> (u16, u16) {
    // Both at once, so that they differ.
    let sockets = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    let [controller, node] = sockets.map(|socket| socket.local_addr().expect("an address").port());
    (controller, node)
}
