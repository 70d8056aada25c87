#!/bin/sh
# Lays out the root of the image: `container/root.sh BINARY CERTIFICATES FOLDER [OWNER]`. Only this script defines its content;
# container/files lists the expected result. Used by the Dockerfile, by the flake's image, and by tests/image.
set -eu
binary=$1 certificates=$2 root=$3 owner=${4:-65532:65532}

umask 022
here=$(dirname "$0")
licences=${LICENCES:-$here/..}
mkdir -p "$root/bin" "$root/etc/ssl/certs" "$root/licences" "$root/tmp" "$root/var/lib/mer"
install -m 755 "$binary" "$root/bin/mer"
ln -s mer "$root/bin/mer-driver"
ln -s mer "$root/bin/mer-migrations"
install -m 644 "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
install -m 644 "$licences/LICENSE" "$root/licences/MER-MIT.txt"
install -m 644 "$licences/docs/licences/SurrealDB-BUSL-1.1.txt" "$root/licences/SurrealDB-BUSL-1.1.txt"
chmod 1777 "$root/tmp"
chmod 700 "$root/var/lib/mer"
chown "$owner" "$root/var/lib/mer"
