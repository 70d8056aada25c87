-- What the log has of batches, jobs, residents and tags; claims of resources that machines share; runs that outlive their
-- caller; and how often the registry has changed.

DEFINE FIELD OVERWRITE connType ON AvailableServers TYPE string ASSERT $value IN ['local', 'ssh', 'slurm'];

DEFINE FIELD OVERWRITE kind ON ModelAccess TYPE string ASSERT $value IN ['infer', 'train', 'ping', 'load'];
DEFINE FIELD OVERWRITE batchUid ON ModelAccess TYPE option<uuid> COMMENT 'The batch that it is a part of.';
DEFINE FIELD OVERWRITE items ON ModelAccess TYPE option<int> COMMENT 'Number of items of a part of a batch.';
DEFINE FIELD OVERWRITE failedItems ON ModelAccess TYPE option<int> COMMENT 'Number of those items that failed.';
DEFINE FIELD OVERWRITE jobId ON ModelAccess TYPE option<string> COMMENT 'Id of the job on a cluster.';
DEFINE FIELD OVERWRITE via ON ModelAccess TYPE option<string> COMMENT 'resident, or none for the mer process of the caller.';
DEFINE FIELD OVERWRITE tags ON ModelAccess TYPE option<object> FLEXIBLE COMMENT 'Labels of the caller: an object of texts.';
DEFINE INDEX OVERWRITE ofBatch ON ModelAccess FIELDS batchUid;

-- One row a unit that a process holds, or that a process waits for; the record id is [pool, resource, unit]. A row whose
-- time has passed is void.
DEFINE TABLE OVERWRITE Claims SCHEMAFULL COMMENT 'Which units of resources are held, by the clock of this server.';
DEFINE FIELD OVERWRITE pool ON Claims TYPE string COMMENT 'The machine that has the unit.';
DEFINE FIELD OVERWRITE resource ON Claims TYPE string;
DEFINE FIELD OVERWRITE unit ON Claims TYPE string;
DEFINE FIELD OVERWRITE owner ON Claims TYPE option<uuid> COMMENT 'The mer process that holds it; none if it is free.';
DEFINE FIELD OVERWRITE host ON Claims TYPE option<string>;
DEFINE FIELD OVERWRITE pid ON Claims TYPE option<int>;
DEFINE FIELD OVERWRITE caller ON Claims TYPE option<string>;
DEFINE FIELD OVERWRITE model ON Claims TYPE option<string>;
DEFINE FIELD OVERWRITE takenAt ON Claims TYPE option<datetime>;
DEFINE FIELD OVERWRITE validUntil ON Claims TYPE option<datetime> COMMENT 'When the claim is void, unless it is renewed.';
DEFINE FIELD OVERWRITE wantedBy ON Claims TYPE option<uuid> COMMENT 'A mer process that waits for it.';
DEFINE FIELD OVERWRITE wantedUntil ON Claims TYPE option<datetime>;
DEFINE INDEX OVERWRITE claimsOfOwner ON Claims FIELDS owner;

-- One row a run that goes on when its mer process ends; the record id is [requestUid, attempt].
DEFINE TABLE OVERWRITE DetachedRuns SCHEMAFULL COMMENT 'Runs that outlive their caller, until their end was collected.';
DEFINE FIELD OVERWRITE requestUid ON DetachedRuns TYPE uuid;
DEFINE FIELD OVERWRITE attempt ON DetachedRuns TYPE int ASSERT $value >= 1;
DEFINE FIELD OVERWRITE model ON DetachedRuns TYPE string;
DEFINE FIELD OVERWRITE server ON DetachedRuns TYPE string;
DEFINE FIELD OVERWRITE host ON DetachedRuns TYPE string;
DEFINE FIELD OVERWRITE bootId ON DetachedRuns TYPE option<string>;
DEFINE FIELD OVERWRITE folder ON DetachedRuns TYPE option<string>;
DEFINE FIELD OVERWRITE jobId ON DetachedRuns TYPE option<string>;
DEFINE FIELD OVERWRITE claim ON DetachedRuns TYPE option<uuid>;
DEFINE FIELD OVERWRITE startedAt ON DetachedRuns TYPE datetime DEFAULT time::now() READONLY;
DEFINE FIELD OVERWRITE collectBy ON DetachedRuns TYPE datetime;
DEFINE FIELD OVERWRITE collector ON DetachedRuns TYPE option<uuid>;
DEFINE FIELD OVERWRITE collectorUntil ON DetachedRuns TYPE option<datetime>;
DEFINE FIELD OVERWRITE params ON DetachedRuns TYPE option<object> FLEXIBLE;

-- One row: a number that grows with each change of servers, models and aliases.
DEFINE TABLE OVERWRITE RegistryRevision SCHEMAFULL COMMENT 'One row: grows with each change of servers, models and aliases.';
DEFINE FIELD OVERWRITE revision ON RegistryRevision TYPE int DEFAULT 0;
CREATE RegistryRevision:this;
DEFINE EVENT OVERWRITE raiseRevision ON AvailableServers THEN (UPDATE RegistryRevision:this SET revision += 1 RETURN NONE);
DEFINE EVENT OVERWRITE raiseRevision ON AvailableModels THEN (UPDATE RegistryRevision:this SET revision += 1 RETURN NONE);
DEFINE EVENT OVERWRITE raiseRevision ON ModelWeightAliases THEN (UPDATE RegistryRevision:this SET revision += 1 RETURN NONE);
