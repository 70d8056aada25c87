-- This machine, and four models to begin with. `mer` as a program means this very binary.

LET $local = UPSERT ONLY AvailableServers:local SET name = 'local', connType = 'local';
UPSERT type::record('ConnTypeParams', $local.connTypeParams) SET uid = $local.connTypeParams;

FOR $model IN [
    {
        -- Softmax regression on Fisher's irises; may be trained.
        name: 'iris',
        params: {
            inferenceCommand: ['mer', 'example-model', 'iris'],
            trainCommand: ['mer', 'example-model', 'iris', 'train']
        }
    },
    {
        -- Its input, byte for byte.
        name: 'echo',
        params: { inferenceCommand: ['mer', 'example-model', 'echo'] }
    },
    {
        -- A process that stays up and answers each line with one line.
        name: 'upper',
        params: { protocol: 'lines', inferenceCommand: ['awk', '{ print toupper($0); fflush() }'] }
    },
    {
        -- A process that stays up and marks where an answer begins and ends, as chat models do.
        name: 'parrot',
        params: {
            protocol: 'token',
            inferenceCommand: ['python3', '-u', '-c', '
import sys
print("@!#READY#!@")
lines = None
for line in sys.stdin:
    word = line.rstrip("\\n")
    if word == "@!#EXIT#!@":
        break
    if word == "@!#START#!@":
        lines = []
    elif word == "@!#STOP#!@":
        sys.stdout.write("@!#START#!@\\n" + "".join(lines or []) + "@!#STOP#!@\\n")
        sys.stdout.flush()
        lines = None
    elif lines is not None:
        lines.append(line)
']
        }
    }
] {
    LET $row = UPSERT ONLY type::record('AvailableModels', $model.name)
        SET name = $model.name, servers = [$local.uid];
    UPSERT type::record('ModelParams', $row.modelParams)
        CONTENT object::extend($model.params, { uid: $row.modelParams });
};
