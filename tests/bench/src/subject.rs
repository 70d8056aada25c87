//! The binaries under test, each with a database of its own, and the files that are measured with.

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
    /// The heading of its column.
    pub name: &'static str,
    /// The binary.
    pub path: PathBuf,
    /// HOME and everything below it.
    home: PathBuf,
}

impl Subject {
    /// The binary with arguments, in an environment that has nothing of the caller's.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.within(Command::new(&self.path), arguments)
    }

    /// The same below the helper that writes the peak of resident memory into `file`.
    fn command_with_peak(&self, file: &Path, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(env::current_exe().map_err(|error| error.to_string())?);
        command.arg(child::PEAK).arg(file).arg(&self.path);
        Ok(self.within(command, arguments))
    }

    fn within(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).env_clear().current_dir(&self.home).env("HOME", &self.home);
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Makes every file of the database look written to, so that the registry snapshot no longer holds.
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

    /// The peak of resident memory of a command, in MB. `prepare` sets its stdin and stdout.
    pub fn peak(&self, arguments: &[&str], prepare: impl FnOnce(&mut Command) -> Result<()>) -> Result<f64> {
        let file = self.home.join("peak");
        let mut command = self.command_with_peak(&file, arguments)?;
        prepare(&mut command)?;
        measure::run(&mut command)?;
        let kib = fs::read_to_string(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        Ok(kib.trim().parse::<f64>().map_err(|error| error.to_string())? * 1024.0 / 1e6)
    }

    /// How long a command takes, in milliseconds, and the peak of its memory. `aim` tells it where its database is.
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

/// All that a case needs.
#[derive(Debug)]
pub struct Bench {
    /// `mer`, and its static build if one was given.
    pub subjects: Vec<Subject>,
    /// A static program that does nothing.
    pub nothing: PathBuf,
    /// The benchmark of mer-meal, if it was given.
    pub meal_bench: Option<PathBuf>,
    /// The benchmark of its way over SSH, if it was given.
    pub ssh_bench: Option<PathBuf>,
    /// What puts bytes into databases by their own means, if it was given.
    pub bulk_bench: Option<PathBuf>,
    /// A folder on a real disk.
    pub work: PathBuf,
    /// Fewer rounds, fewer bytes.
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
            let apply = ["apply", &registry.to_string_lossy(), "--allow-model-server-runtime-changes"];
            measure::run_silent(&mut subject.command(&apply))?;
            subjects.push(subject);
        }
        let (meal_bench, ssh_bench) = (args.meal_bench.clone(), args.ssh_bench.clone());
        let bulk_bench = args.bulk_bench.clone();
        Ok(Self { subjects, nothing, meal_bench, ssh_bench, bulk_bench, work, quick: args.quick })
    }

    /// As many as asked for, or a tenth of them in a quick run.
    pub fn scaled(&self, count: usize) -> usize {
        if self.quick { count.div_ceil(10) } else { count }
    }

    /// A file of so many bytes that do not compress, in the page cache.
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

    /// Measures something for every binary, with what it is compared with in the same rounds. The samples come back in
    /// the order of `subjects`, then that of `beside`.
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

    /// The same number once for every binary.
    pub fn each(&self, of: impl Fn(&Subject) -> Result<f64>) -> Result<Vec<Sample>> {
        self.subjects.iter().map(|subject| of(subject).map(Sample::one)).collect()
    }
}
