# shellcheck shell=bash
# Starts the databases for startMER.sh. Source it after lib.sh, whose variables it uses.
# shellcheck disable=SC2154

# Maximum seconds until a started server answers.
answer_within=60

# `start_database WHICH URL`
start_database() {
  local which=$1 url=$2 host=''
  case $url in
    ws://* | wss://* | postgres://* | postgresql://*)
      host=${url#*://} host=${host##*@} host=${host%%[/?]*}
      ;;
  esac
  if [ "$which" = auto ]; then
    which=none
    if [ -n "$host" ] && is_here "$host" && ! answers "$host" "$url"; then
      which=local
      case $url in ws://*) ! compose_works || which=compose ;; esac
    fi
  fi
  case $which in
    compose) start_compose "$url" ;;
    local) start_local "$url" "$host" ;;
  esac
}

# Sets `owner_name` and `owner_password` to the database's owner in the settings. `mer` prints them into a pipe: only `mer` reads
# `.env`, because it checks the owner of that file.
read_owner() {
  owner_name='' owner_password=''
  {
    IFS= read -r -d '' owner_name
    IFS= read -r -d '' owner_password
  } < <("$mer" internal-owner "${mer_args[@]}") || die 78 "the settings cannot be read"
}

# Whether a URL's host is this machine. Compares names only, and resolves none.
is_here() {
  case $1 in localhost | localhost:* | 127.* | '[::1]'* | '') return 0 ;; *) return 1 ;; esac
}

# Prints HOST and PORT of a URL's host.
address() {
  local host=$1 url=$2 port
  case $url in ws://*) port=8000 ;; wss://*) port=443 ;; *) port=5432 ;; esac
  case $host in
    *:[0-9]*) port=${host##*:} host=${host%:*} ;;
  esac
  host=${host#[} host=${host%]}
  printf '%s %s\n' "${host:-localhost}" "$port"
}

# Whether a server listens there.
answers() {
  local host port
  read -r host port < <(address "$1" "$2")
  (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null
}

# `wait_for NAME HOST URL`: waits until the server listens, its process ends, or the bound has passed.
wait_for() {
  local until=$((SECONDS + answer_within))
  until answers "$2" "$3"; do
    running "$1" >/dev/null || die 74 "the $1 has ended: $(tail -n 3 "$run_dir/$1.log")"
    [ "$SECONDS" -lt "$until" ] || die 75 "the $1 does not answer within $answer_within s: see $run_dir/$1.log"
    sleep 0.1
  done
}

compose_works() {
  [ -f "$here/../docker-compose.yaml" ] && command -v docker >/dev/null &&
    docker compose version >/dev/null 2>&1 && timeout 10 docker info >/dev/null 2>&1
}

compose() {
  # The credentials come from this folder, the services from the clone. compose must not read `.env` itself, because it may read it
  # differently from `mer`. Stopping needs no credentials, but the file requires a value.
  MIGRATIONS_DB_USERNAME=${owner_name:--} MIGRATIONS_DB_PASSWORD=${owner_password:--} \
    docker compose --file "$here/../docker-compose.yaml" --env-file /dev/null "$@"
}

# `start_compose URL`
start_compose() {
  case $1 in
    ws://127.0.0.1:8000 | ws://*@127.0.0.1:8000 | ws://localhost:8000 | ws://127.0.0.1 | ws://localhost) ;;
    *) die 78 "the server of docker-compose.yaml needs DB_CONNECTION_URL=ws://127.0.0.1:8000, which is set to another value" ;;
  esac
  compose_works || die 69 "no container engine with \`docker compose\` answers"
  read_owner
  if [ -z "$owner_name" ] || [ -z "$owner_password" ]; then
    die 78 "set MIGRATIONS_DB_USERNAME and MIGRATIONS_DB_PASSWORD, the server's owner"
  fi
  # Recorded first, so that a server which is only half started is stopped too.
  if [ -z "$(compose ps --quiet --status running surrealdb)" ]; then : >"$run_dir/compose"; fi
  compose up --detach --wait --wait-timeout "$answer_within" surrealdb 9>&-
  say "the database is running in a container"
}

# `start_local URL HOST`
start_local() {
  local url=$1 where=$2
  case $url in
    ws://* | postgres://* | postgresql://*) ;;
    *) return 0 ;;
  esac
  is_here "$where" || die 78 "$url is on another machine: it cannot be started here"
  if running database >/dev/null || answers "$where" "$url"; then
    say "the database answers already"
    return
  fi
  case $url in
    ws://*) start_surreal "$where" "$url" ;;
    *) start_postgres "$where" "$url" ;;
  esac
  wait_for database "$where" "$url"
  say "the database is running, process $(running database)"
}

data_dir() { "$mer" config show --json "${mer_args[@]}" | sed -n 's/^{"name":"dataDir","value":"\([^"]*\)".*/\1/p'; }

start_surreal() {
  local host port program data engine
  program=$(command -v "${SURREAL:-surreal}") || die 69 "there is no \`surreal\` in PATH; SURREAL may name it"
  read_owner
  [ -n "$owner_password" ] || die 78 "set MIGRATIONS_DB_USERNAME and MIGRATIONS_DB_PASSWORD, the server's owner"
  read -r host port < <(address "$1" "$2")
  data=$(data_dir)/surrealdb
  engine=${SURREAL_ENGINE:-rocksdb}
  case $engine in rocksdb | surrealkv) ;; *) die 78 "SURREAL_ENGINE is rocksdb or surrealkv" ;; esac
  # A folder can be used only with the engine that created it.
  if [ "$engine" = rocksdb ] && [ -d "$data/manifest" ]; then
    die 78 "$data was made by SurrealKV: SURREAL_ENGINE=surrealkv continues with it, docs/reference/databases.md says how to move"
  fi
  mkdir -p "$data"
  # Passed in the environment, because every user can read a command line.
  SURREAL_USER=$owner_name SURREAL_PASS=$owner_password \
    setsid "$program" start --no-banner --log warn --bind "$host:$port" "$engine://$data" \
    </dev/null >"$run_dir/database.log" 2>&1 9>&- &
  remember database $! || true
  printf 'TERM\n' >"$run_dir/database.signal"
}

# Debian's folder for the programs of PostgreSQL, by version.
postgres_versions=${POSTGRES_VERSIONS:-/usr/lib/postgresql}
newest_postgres() { compgen -G "$postgres_versions/*/bin/postgres" | sort -V | tail -n 1 || true; }

start_postgres() {
  local host port bin data as=() owner
  # Resolves a link, because the other programs are beside the real `postgres`.
  bin=$(command -v postgres || newest_postgres)
  [ -n "$bin" ] || die 69 "there is no PostgreSQL on this machine: \`postgres\` is neither in PATH nor below $postgres_versions"
  bin=$(dirname "$(realpath -- "$bin")")
  read_owner
  owner=$owner_name
  if [ -z "$owner" ] || [ -z "$owner_password" ]; then
    die 78 "set MIGRATIONS_DB_USERNAME and MIGRATIONS_DB_PASSWORD, the server's owner"
  fi
  read -r host port < <(address "$1" "$2")
  data=$(data_dir)/postgres
  mkdir -p "$(dirname "$data")"
  if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root.
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    "${as[@]}" test -x "$(dirname "$data")" ||
      die 77 "PostgreSQL does not run as root, and the user postgres cannot access $data: run this as another user"
  fi
  [ -f "$data/PG_VERSION" ] || make_cluster "$data" "$owner" "$2" >"$run_dir/database.log" 2>&1 ||
    die 74 "the database cannot be created: $(tail -n 3 "$run_dir/database.log")"
  "${as[@]}" setsid "$bin/postgres" -D "$data" -c listen_addresses="$host" -c port="$port" -c unix_socket_directories='' \
    </dev/null >>"$run_dir/database.log" 2>&1 9>&- &
  remember database $! || true
  # INT stops it without waiting for connected clients.
  printf 'INT\n' >"$run_dir/database.signal"
}

# `make_cluster FOLDER OWNER URL`: creates a cluster with the database that the URL names, completely or not at all.
make_cluster() {
  local new=$1.new name
  rm -rf "$new"
  mkdir -m 700 "$new"
  [ "$(id -u)" != 0 ] || chown postgres: "$new"
  printf '%s\n' "$owner_password" | "${as[@]}" "$bin/initdb" --pgdata "$new" --username "$2" --pwfile /dev/stdin \
    --auth scram-sha-256 --encoding UTF8 --no-locale 9>&- || return
  name=${3#*://}
  case $name in */*) name=${name#*/} name=${name%%\?*} ;; *) name='' ;; esac
  if [ -n "$name" ] && [ "$name" != postgres ]; then
    "${as[@]}" "$bin/postgres" --single -D "$new" postgres <<<"CREATE DATABASE \"${name//\"/}\"" 9>&- || return
  fi
  mv "$new" "$1"
}
