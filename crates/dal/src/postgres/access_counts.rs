//! What is counted of a group of accesses, as expressions of SQL. An access that is no part of a batch is one item; a sum has no
//! upper bound and is cut to the type.

/// Number of items.
pub(super) const ITEMS: &str = r#"least(sum(coalesce("items", 1)), 9223372036854775807)::bigint"#;

/// Number of items that failed.
pub(super) const FAILED: &str = r#"least(sum(greatest(coalesce("failedItems", 0), CASE WHEN coalesce("items", 1) = 1
    AND "status" NOT IN ('started', 'succeeded') THEN 1 ELSE 0 END)), 9223372036854775807)::bigint"#;

/// Number of items that are not over.
pub(super) const OPEN: &str = r#"least(coalesce(sum(coalesce("items", 1)) FILTER (WHERE "status" = 'started'), 0),
    9223372036854775807)::bigint"#;

/// Quantiles of durations, in the order that `Quantiles::of_sql` reads; two columns with their names.
pub(super) const QUANTILES: &str = r#"
    percentile_cont(ARRAY[0.5, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY "runMs")
        FILTER (WHERE "status" = 'succeeded' AND coalesce("items", 1) = 1) AS "runMs",
    percentile_cont(ARRAY[0.5, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY "queueMs")
        FILTER (WHERE coalesce("items", 1) = 1) AS "queueMs""#;
