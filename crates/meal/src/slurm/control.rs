//! Controls the process of a job.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mer_core::Exit;
use tokio::sync::watch;

use super::{JobEnd, give_back::GiveBack, job_report::JobReport};
use crate::machine_control::MachineControl;

/// Controls the process of a job, by the script that called `srun`: it passes TERM on, and its death ends the job.
#[derive(Debug)]
pub(crate) struct SlurmControl {
    /// Controls the script that called `srun`.
    front: MachineControl,
    report: watch::Receiver<Option<JobReport>>,
    signalled: Arc<AtomicBool>,
    exit: Option<Exit>,
    /// The job, if it is one for several processes.
    job: Option<GiveBack>,
}

impl SlurmControl {
    pub(super) fn new(
        front: MachineControl,
        report: watch::Receiver<Option<JobReport>>,
        signalled: Arc<AtomicBool>,
        job: Option<GiveBack>,
    ) -> Self {
        Self { front, report, signalled, exit: None, job }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.front.pid()
    }

    pub(crate) async fn ended(&self) {
        self.front.ended().await;
        if self.front.why_lost().is_none() {
            // Without a sender the task is gone, and with it the runtime.
            let _ = self.report.clone().wait_for(Option::is_some).await;
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.front.has_ended() && (self.front.why_lost().is_some() || self.report.borrow().is_some())
    }

    pub(crate) const fn exit(&self) -> Option<Exit> {
        self.exit
    }

    pub(crate) fn why_lost(&self) -> Option<String> {
        let known = self.report.borrow().as_ref().and_then(|report| report.why_lost.clone());
        known.or_else(|| self.front.why_lost())
    }

    /// Why the job ended before its process did.
    pub(crate) fn job_end(&self) -> Option<JobEnd> {
        self.report.borrow().as_ref().and_then(|report| report.end.clone())
    }

    pub(crate) fn terminate(&self) {
        self.signalled.store(true, Ordering::Relaxed);
        self.front.terminate();
    }

    pub(crate) fn kill(&self) {
        self.signalled.store(true, Ordering::Relaxed);
        self.front.kill();
    }

    pub(crate) async fn end_strays(&self) {
        self.front.end_strays().await;
    }

    pub(crate) fn terminate_strays(&self) {
        self.front.terminate_strays();
    }

    pub(crate) fn finish(&mut self) -> Option<Exit> {
        if self.exit.is_none() && self.has_ended() {
            let front = self.front.finish();
            let reported = self.report.borrow().as_ref().map(|report| report.exit);
            self.exit = reported.or(front.map(|_| Exit::Lost));
            let is_over = self.exit.is_some_and(|exit| exit != Exit::Lost) && self.job_end().is_none();
            // A job in which a process may go on is dropped, and thereby ended.
            if let (Some(job), true) = (self.job.take(), is_over) {
                job.give_back();
            }
        }
        self.exit
    }
}
