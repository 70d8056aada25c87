# shellcheck shell=bash
# What the scripts of this folder share. To be sourced, with the repository as the current folder.

# One cache for every clone and every run, so that only the first build is long.
MER_CACHE=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
MER_CACHE=${MER_CACHE:-${TMPDIR:-/tmp}/cache-$(id -u)}/mer
# Whoever has built in the clone goes on there.
if [ -z "${CARGO_TARGET_DIR:-}" ]; then
  CARGO_TARGET_DIR=$MER_CACHE/target
  [ ! -d target/debug ] || CARGO_TARGET_DIR=$PWD/target
fi
export CARGO_TARGET_DIR
mkdir -p "$MER_CACHE" "$CARGO_TARGET_DIR"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

in_ci() { [ "${CI:-}" = true ]; }

# The path of a program, also where only root has its folder in PATH or Debian keeps it by version.
find_program() {
  local name=$1 path
  command -v "$name" && return
  for path in /usr/sbin/"$name" /sbin/"$name" /usr/lib/postgresql/*/bin/"$name"; do
    [ -x "$path" ] && printf '%s\n' "$path" && return
  done
  return 1
}

apt_updated=
# Sees to it that a program is there: `need PROGRAM DEBIAN_PACKAGE WHAT_FOR`. As root on Debian it is installed.
# Where it stays missing, this fails under CI=true; elsewhere it says loudly what is skipped, and returns 1.
need() {
  local program=$1 package=$2 purpose=$3
  find_program "$program" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $package, for $purpose"
    local apt=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q -y -o DPkg::Lock::Timeout=120)
    # RUNLEVEL=1: a package with a service does not start it; tests start servers of their own.
    [ -n "$apt_updated" ] || "${apt[@]}" update >&2 || true
    apt_updated=yes
    "${apt[@]}" install --no-install-recommends "$package" >&2 || true
    find_program "$program" >/dev/null && return
  fi
  in_ci && die "\`$program\` is missing and could not be installed (Debian: $package); $purpose need it"
  say "WARNING: \`$program\` is missing: SKIPPED are $purpose. To run them: apt-get install $package"
  return 1
}

# Builds the SurrealDB server of the tests once, into the cache folder (some 6 minutes), and names it in
# MER_SURREAL_SERVER. It has a lock file of its own: none of what it needs is in MER. Fails under CI=true only.
surreal_server() {
  [ -z "${MER_SURREAL_SERVER:-}" ] || return 0
  local folder=$MER_CACHE/surreal-server
  [ -x "$folder/debug/mer-surreal-server" ] || say "building the SurrealDB server for the tests; some 6 minutes, once"
  # Locked, so that a second run waits for the first; quick where nothing has changed.
  if CARGO_TARGET_DIR=$folder cargo build --quiet --locked --manifest-path tests/surreal-server/Cargo.toml; then
    export MER_SURREAL_SERVER=$folder/debug/mer-surreal-server
    return 0
  fi
  ! in_ci || die "the SurrealDB server for the tests cannot be built"
  return 1
}
