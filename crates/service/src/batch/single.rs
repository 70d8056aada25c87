//! One item whose process ends with it.

use mer_batch::{ItemReply, ReplySender};
use mer_core::Status;

use super::{
    end::PartResult,
    host::{PartCall, PartHost},
    item_feed::ItemFeed,
};

/// Runs the only item of a part. Its answer is passed on if it succeeded.
pub(super) async fn run_single(
    host: &dyn PartHost,
    call: &PartCall,
    items: &mut ItemFeed,
    ends_lines: bool,
    replies: &ReplySender,
) -> Option<PartResult> {
    let mut input = items.single().await?;
    if ends_lines {
        input = [&input, &b"\n"[..]].concat().into();
    }
    let (outcome, answered) = match host.run_item(call, input).await {
        Err(failure) => (Err(failure), 0),
        Ok((outcome, output)) if outcome.access.status == Status::Succeeded => {
            let run_ms = outcome.access.run_ms.unwrap_or_default().max(0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is no negative number")]
            let reply = ItemReply { position: 0, output, run_ms: run_ms as u64 };
            let is_wanted = replies.send(reply).await;
            (Ok(outcome), u32::from(is_wanted))
        }
        Ok((outcome, _)) => (Ok(outcome), 0),
    };
    let sent = u32::from(outcome.as_ref().is_ok_and(|outcome| outcome.access.run_ms.is_some()));
    Some(PartResult { outcome, sent, answered, refused: None })
}
