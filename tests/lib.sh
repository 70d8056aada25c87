# shellcheck shell=bash
# Functions shared by the scripts in this folder. Source it with the root of the repository as the current folder.

# One cache for all clones and runs, so that only the first build is slow.
MER_CACHE=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
MER_CACHE=${MER_CACHE:-${TMPDIR:-/tmp}/cache-$(id -u)}/mer
# A clone with a `target` folder keeps using it.
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

# Prints the path of a program, also from folders that only root has in PATH, and from Debian's versioned folders.
find_program() {
  local name=$1 path
  command -v "$name" && return
  for path in /usr/sbin/"$name" /sbin/"$name" /usr/lib/postgresql/*/bin/"$name"; do
    [ -x "$path" ] && printf '%s\n' "$path" && return
  done
  return 1
}

apt_updated=
# Ensures that a program is installed: `need PROGRAM DEBIAN_PACKAGE PURPOSE`. Installs it as root on Debian.
# If it is still missing: exits with CI=true; otherwise warns about the skipped tests and returns 1.
need() {
  local program=$1 package=$2 purpose=$3
  find_program "$program" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $package, for $purpose"
    local apt=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q -y -o DPkg::Lock::Timeout=120)
    # RUNLEVEL=1: packages do not start their services; tests start their own servers.
    [ -n "$apt_updated" ] || "${apt[@]}" update >&2 || true
    apt_updated=yes
    "${apt[@]}" install --no-install-recommends "$package" >&2 || true
    find_program "$program" >/dev/null && return
  fi
  in_ci && die "\`$program\` is missing and could not be installed (Debian: $package); $purpose need it"
  say "WARNING: \`$program\` is missing: SKIPPED are $purpose. To run them: apt-get install $package"
  return 1
}

# Builds the SurrealDB server of the tests once, into the cache folder (about 6 minutes), and sets MER_SURREAL_SERVER.
# It has a separate lock file, so MER gets none of its dependencies. Exits on failure with CI=true only.
surreal_server() {
  [ -z "${MER_SURREAL_SERVER:-}" ] || return 0
  local folder=$MER_CACHE/surreal-server
  [ -x "$folder/debug/mer-surreal-server" ] || say "building the SurrealDB server for the tests; some 6 minutes, once"
  # Cargo's lock makes a second run wait for the first; without changes this is quick.
  if CARGO_TARGET_DIR=$folder cargo build --quiet --locked --manifest-path tests/surreal-server/Cargo.toml; then
    export MER_SURREAL_SERVER=$folder/debug/mer-surreal-server
    return 0
  fi
  ! in_ci || die "the SurrealDB server for the tests cannot be built"
  return 1
}
