//! The binaries under test, each with its own database, and the files of the measurements.

use std::{
    env, fs,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Instant, SystemTime},
};

use crate::{
    Result,
    args::Args,
    child, measure,
    measure::{Contender, Sample},
};

/// A binary under test.
#[derive(Debug)]
pub struct Subject {
    /// Heading of its column.
    pub name: &'static str,
    /// Path of the binary.
    pub path: PathBuf,
    /// Folder of HOME, settings and data.
    home: PathBuf,
}

impl Subject {
    /// Returns the binary with arguments and without the caller's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.within(Command::new(&self.path), arguments)
    }

    /// The same, started by the helper that writes the peak of resident memory to `file`.
    fn command_with_peak(&self, file: &Path, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(env::current_exe().map_err(|error| error.to_string())?);
        command.arg(child::PEAK).arg(file).arg(&self.path);
        Ok(self.within(command, arguments))
    }

    fn within(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).env_clear().current_dir(&self.home).env("HOME", &self.home);
        command.env("PATH", env::var_os("PATH").unwrap_or_default()).env("MER_RUNTIME_DIR", self.runtime());
        command
    }

    /// Returns the folder of the resident's socket.
    pub fn runtime(&self) -> PathBuf {
        self.home.join("run")
    }

    /// Returns the folder of HOME, in which the binary is called.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the same binary with an empty database of its own.
    pub fn anew(&self, name: &str) -> Result<Self> {
        let home = self.home.with_file_name(name);
        fs::create_dir_all(&home).map_err(|error| format!("`{}`: {error}", home.display()))?;
        let subject = Self { name: self.name, path: self.path.clone(), home };
        measure::run_silent(&mut subject.command(&["run", "echo", "x"]))?;
        Ok(subject)
    }

    /// Registers what a file holds.
    pub fn apply(&self, registry: &Path) -> Result<()> {
        let apply = ["apply", &registry.to_string_lossy(), "--allow-model-server-runtime-changes"];
        measure::run_silent(&mut self.command(&apply))
    }

    /// Changes the times of every file of the database, so that the registry snapshot is no longer valid.
    pub fn break_snapshot(&self) -> Result<()> {
        fn touch(folder: &Path) -> io::Result<()> {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    touch(&path)?;
                } else if let Ok(file) = File::options().append(true).open(&path) {
                    file.set_modified(SystemTime::now())?;
                }
            }
            Ok(())
        }
        touch(&self.home).map_err(|error| format!("`{}`: {error}", self.home.display()))
    }

    /// Returns the peak resident memory of a command in MB. `prepare` sets its stdin and stdout.
    pub fn peak(&self, arguments: &[&str], prepare: impl FnOnce(&mut Command) -> Result<()>) -> Result<f64> {
        let file = self.home.join("peak");
        let mut command = self.command_with_peak(&file, arguments)?;
        prepare(&mut command)?;
        measure::run(&mut command)?;
        let kib = fs::read_to_string(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        Ok(kib.trim().parse::<f64>().map_err(|error| error.to_string())? * 1024.0 / 1e6)
    }

    /// Returns a command's milliseconds and peak memory. `aim` sets its database.
    pub fn time_and_peak(&self, arguments: &[&str], aim: impl FnOnce(&mut Command)) -> Result<(f64, f64)> {
        let begun = Instant::now();
        let peak = self.peak(arguments, |command| {
            aim(command);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            Ok(())
        })?;
        Ok((measure::ms(begun.elapsed()), peak))
    }
}

/// The context of the cases.
#[derive(Debug)]
pub struct Bench {
    /// `mer`, and its static build if it was named.
    pub subjects: Vec<Subject>,
    /// A static program that does nothing.
    pub nothing: PathBuf,
    /// The benchmark program of mer-meal, if it was named.
    pub meal_bench: Option<PathBuf>,
    /// The benchmark program of mer-meal over SSH, if it was named.
    pub ssh_bench: Option<PathBuf>,
    /// The program that writes bytes to databases without MER, if it was named.
    pub bulk_bench: Option<PathBuf>,
    /// A Python that has HyperQueue, if it was named.
    pub hyperqueue: Option<PathBuf>,
    /// The file of the models that every binary has.
    pub registry: PathBuf,
    /// A folder on a real disk.
    pub work: PathBuf,
    /// Whether to use fewer rounds and bytes.
    quick: bool,
}

impl Bench {
    /// Registers the models of the benchmark in a database for each binary.
    pub fn set_up(args: &Args) -> Result<Self> {
        let absolute = |path: &Path| path.canonicalize().map_err(|error| format!("`{}`: {error}", path.display()));
        let work = absolute(&args.work)?;
        let nothing = absolute(&args.nothing)?;
        let this = env::current_exe().map_err(|error| error.to_string())?;
        let registry = work.join("models.toml");
        let text = format!(
            "[models.nothing]\ninferenceCommand = [{nothing:?}]\n\n\
             [models.cat]\ninferenceCommand = [\"cat\"]\n\n\
             [models.pong]\nprotocol = \"lines\"\ninferenceCommand = [{this:?}, {:?}]\n",
            child::PONG
        );
        fs::write(&registry, text).map_err(|error| format!("`{}`: {error}", registry.display()))?;

        let binaries = [("mer", Some(&args.mer)), ("mer, static", args.mer_static.as_ref())];
        let mut subjects = Vec::new();
        for (name, path) in binaries.into_iter().filter_map(|(name, path)| Some((name, path?))) {
            let home = work.join(name.replace(", ", "-"));
            fs::create_dir_all(&home).map_err(|error| format!("`{}`: {error}", home.display()))?;
            let subject = Subject { name, path: absolute(path)?, home };
            measure::run_silent(&mut subject.command(&["run", "echo", "x"]))?;
            subject.apply(&registry)?;
            subjects.push(subject);
        }
        let (meal_bench, ssh_bench) = (args.meal_bench.clone(), args.ssh_bench.clone());
        let (bulk_bench, hyperqueue) = (args.bulk_bench.clone(), args.hyperqueue.clone());
        let quick = args.quick;
        Ok(Self { subjects, nothing, meal_bench, ssh_bench, bulk_bench, hyperqueue, registry, work, quick })
    }

    /// Returns this number of rounds, or a tenth of it in a quick run.
    pub fn scaled(&self, count: usize) -> usize {
        if self.quick { count.div_ceil(10) } else { count }
    }

    /// Makes a file of this many incompressible bytes, in the page cache.
    pub fn big_file(&self, bytes: u64) -> Result<PathBuf> {
        let path = self.work.join("big");
        let make = || -> io::Result<()> {
            let mut block = vec![0; 1 << 20];
            File::open("/dev/urandom")?.read_exact(&mut block)?;
            let mut file = File::create(&path)?;
            let mut left = bytes;
            while left > 0 {
                let part = left.min(block.len() as u64);
                file.write_all(&block[..part as usize])?;
                left -= part;
            }
            Ok(())
        };
        if fs::metadata(&path).map(|file| file.len()).unwrap_or(0) != bytes {
            make().map_err(|error| format!("`{}`: {error}", path.display()))?;
        }
        Ok(path)
    }

    /// Measures every binary and the comparisons in the same rounds. Returns samples in the order of `subjects`, then of
    /// `beside`.
    pub fn in_turn<'a>(
        &'a self,
        rounds: usize,
        mut of: impl FnMut(&'a Subject) -> Contender<'a>,
        beside: Vec<Contender<'a>>,
    ) -> Result<Vec<Sample>> {
        let mut contenders: Vec<Contender> = self.subjects.iter().map(&mut of).collect();
        contenders.extend(beside);
        measure::in_turn(self.scaled(rounds), &mut contenders)
    }

    /// Returns a number for every binary.
    pub fn each(&self, of: impl Fn(&Subject) -> Result<f64>) -> Result<Vec<Sample>> {
        self.subjects.iter().map(|subject| of(subject).map(Sample::one)).collect()
    }
}
