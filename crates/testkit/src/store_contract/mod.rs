//! What every backend of [`mer_dal::Store`] must do, as tests. Each case takes a database of its own, empty but for
//! the schema and what the scripts register, and is the same for every backend:
//!
//! ```text
//! mer_testkit::store_contract!(memory, fresh_memory_database);
//! ```
//!
//! makes a module `memory` with one test a case; `fresh_memory_database` is an `async fn() -> impl Deref<Target = Database>`.
//! For a backend that may not be installed write `if fresh_database`, and give an `Option` of it.

#![expect(clippy::unwrap_used, reason = "test code: it is to panic")]

mod access_queries;
mod access_report;
mod accesses;
mod changes;
mod claims;
mod detached;
mod registry;
mod schema;
mod weights;
mod weights_copy;
mod writers;

pub use access_queries::{
    a_prune_takes_what_is_old_and_over, filters_select_together, scans_read_every_access_once,
    statistics_count_items_and_leave_parts_out_of_quantiles, statistics_of_huge_numbers_are_cut,
};
pub use access_report::a_report_counts_each_access_of_its_time_once;
pub use accesses::{
    accesses_are_listed_newest_first_and_filtered, accesses_are_listed_page_by_page, accesses_are_read_page_by_page,
    every_field_comes_back, more_records_than_a_batch_are_recorded, recording_is_idempotent_and_rank_decides,
    strange_texts_and_times_survive,
};
pub use changes::{
    a_change_of_what_has_changed_is_refused, a_copied_registry_keeps_its_uids_and_times,
    a_copied_registry_takes_the_place_of_what_was_there, a_model_with_weights_stays_what_it_is,
    a_server_goes_only_when_no_model_names_it, a_server_that_goes_and_a_model_that_comes,
    of_sixteen_who_add_a_model_one_does, what_is_removed_is_gone,
};
pub use claims::{
    claims_are_taken_all_or_none, claims_of_owners_that_are_gone_are_taken_over,
    claims_run_out_by_the_clock_of_the_database, owners_learn_what_is_wanted, sixteen_processes_share_two_units,
    the_revision_grows_with_each_change,
};
pub use detached::{
    a_detached_run_is_on_record_until_its_end, a_detached_training_makes_one_version,
    of_sixteen_collectors_one_ends_the_run, one_process_collects_a_detached_run,
};
pub use registry::{
    a_registry_is_applied_whole_or_not_at_all, a_registry_reads_back_as_it_was_applied,
    an_upsert_keeps_uid_and_creation, keys_of_a_newer_version_are_kept, unknown_names_are_nothing,
    what_is_not_named_stays,
};
pub use schema::{a_failing_script_leaves_nothing_and_names_its_place, the_uid_is_the_databases_own};
pub use weights::{
    a_removed_model_takes_no_version, aliases_move_whole_and_keep_their_history, clearing_away_spares_what_lives,
    equal_chunks_are_kept_once, puts_and_clearing_away_at_once_leave_whole_versions,
    puts_at_once_get_numbers_of_their_own, versions_in_use_are_not_removed, weights_of_every_size_come_back,
    what_was_put_is_told,
};
pub use weights_copy::{a_training_is_one_step, weights_of_another_database_are_taken_over};
pub use writers::{sixteen_writers_lose_nothing, sixteen_writers_race_for_one_record};

/// Makes a module with the whole suite for one backend.
#[macro_export]
macro_rules! store_contract {
    (@all $module:ident, $fresh:block) => {
        $crate::store_contract!(@cases $module, $fresh:
            a_registry_reads_back_as_it_was_applied, an_upsert_keeps_uid_and_creation, what_is_not_named_stays,
            keys_of_a_newer_version_are_kept,
            unknown_names_are_nothing, what_is_removed_is_gone, a_server_goes_only_when_no_model_names_it,
            a_change_of_what_has_changed_is_refused, of_sixteen_who_add_a_model_one_does,
            a_server_that_goes_and_a_model_that_comes, a_model_with_weights_stays_what_it_is,
            a_copied_registry_keeps_its_uids_and_times,
            a_copied_registry_takes_the_place_of_what_was_there, a_registry_is_applied_whole_or_not_at_all,
            every_field_comes_back, strange_texts_and_times_survive, accesses_are_listed_newest_first_and_filtered,
            accesses_are_read_page_by_page, accesses_are_listed_page_by_page, recording_is_idempotent_and_rank_decides, more_records_than_a_batch_are_recorded,
            filters_select_together, scans_read_every_access_once,
            statistics_count_items_and_leave_parts_out_of_quantiles, statistics_of_huge_numbers_are_cut,
            a_report_counts_each_access_of_its_time_once,
            sixteen_writers_race_for_one_record, sixteen_writers_lose_nothing,
            claims_are_taken_all_or_none, claims_of_owners_that_are_gone_are_taken_over,
            sixteen_processes_share_two_units, claims_run_out_by_the_clock_of_the_database,
            owners_learn_what_is_wanted, the_revision_grows_with_each_change,
            a_detached_run_is_on_record_until_its_end, one_process_collects_a_detached_run,
            of_sixteen_collectors_one_ends_the_run,
            the_uid_is_the_databases_own, a_failing_script_leaves_nothing_and_names_its_place;
            weights_of_every_size_come_back, equal_chunks_are_kept_once, what_was_put_is_told,
            aliases_move_whole_and_keep_their_history, versions_in_use_are_not_removed,
            puts_at_once_get_numbers_of_their_own, clearing_away_spares_what_lives,
            puts_and_clearing_away_at_once_leave_whole_versions, a_removed_model_takes_no_version,
            weights_of_another_database_are_taken_over, a_training_is_one_step,
            a_detached_training_makes_one_version,
            a_prune_takes_what_is_old_and_over,
        );
    };
    // First the cases that use a session, then those that open sessions themselves.
    (@cases $module:ident, $fresh:block: $($case:ident),*; $($own:ident),* $(,)?) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $own() {
                    let database = $fresh;
                    let Some(database) = database else { return };
                    $crate::store_contract::$own(&database).await;
                }
            )*
            $(
                #[tokio::test]
                async fn $case() {
                    let database = $fresh;
                    let Some(database) = database else { return };
                    let session = database.session().await.expect("the database opens");
                    $crate::store_contract::$case(&session).await;
                    session.close().await.expect("the database closes");
                }
            )*
        }
    };
    ($module:ident, if $fresh:path) => {
        $crate::store_contract!(@all $module, { $fresh().await });
    };
    ($module:ident, $fresh:path) => {
        $crate::store_contract!(@all $module, { Some($fresh().await) });
    };
}
