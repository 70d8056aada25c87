-- What the tables mean, said where it is asked for. ALTER leaves the rights of a table as they are. Links and the index of
-- what did not succeed are PostgreSQL's alone: rows are linked by uid here, and an index covers all rows or none.

ALTER TABLE Migrations COMMENT 'One row per applied script, written by mer migrate.';
ALTER TABLE DatabaseIdentity COMMENT 'One row: the uid by which journals know this database. A copy has the same one.';
ALTER TABLE AvailableServers COMMENT 'The servers on which models run.';
ALTER TABLE ConnTypeParams COMMENT 'What varies from server to server: host, port, user, launcher and so on.';
ALTER TABLE AvailableModels COMMENT 'The models that can be run.';
ALTER TABLE ModelParams COMMENT 'What varies from model to model: protocol, commands, environment, tokens, timeouts.';
ALTER TABLE ModelAccess COMMENT 'The access log: one row per attempt of a request. Models and servers by name, since the log outlives them.';
ALTER TABLE ModelWeights COMMENT 'One row per version of the weights of a model.';
ALTER TABLE ModelWeightCounters COMMENT 'One row per model: the last number that a version was given.';
ALTER TABLE ModelWeightUploads COMMENT 'One row per payload on its way in; mer weights gc clears away what stays behind.';
ALTER TABLE ModelWeightChunks COMMENT 'One row per chunk, by its sha256. Equal versions share chunks.';
ALTER TABLE ModelWeightPayloads COMMENT 'The bytes of each chunk.';
ALTER TABLE ModelWeightParts COMMENT 'Of which chunks a payload is made.';
ALTER TABLE ModelWeightAliases COMMENT 'Which version each alias means.';
ALTER TABLE ModelWeightAliasMoves COMMENT 'The history of each alias: which version it meant from when on.';
