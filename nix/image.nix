# The container image: the static binary, its two other names, CA certificates, the licences, an empty /tmp, and a /var/lib/mer that
# belongs to the numeric user. Nothing else: no shell, no libc, no /nix, no /etc/passwd. The Dockerfile builds the same.
{ lib, dockerTools, cacert, mer-static }:
let
  uid = "65532";
in
dockerTools.buildLayeredImage {
  name = "mer";
  tag = mer-static.version;

  # No store paths, which would bring their dependencies; the files are copied below.
  contents = [ ];
  includeStorePaths = false;
  fakeRootCommands = ''
    LICENCES=${lib.fileset.toSource { root = ../.; fileset = lib.fileset.unions [ ../LICENSE ../docs/licences ]; }} \
      sh ${../container/root.sh} ${mer-static}/bin/mer ${cacert}/etc/ssl/certs/ca-bundle.crt . ${uid}:${uid}
  '';

  config = {
    User = "${uid}:${uid}";
    WorkingDir = "/var/lib/mer";
    Entrypoint = [ "/bin/mer" ];
    Env = [
      "PATH=/bin"
      "HOME=/var/lib/mer"
      "MER_DATA_DIR=/var/lib/mer"
      "MER_STATE_DIR=/var/lib/mer"
      "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    ];
    # In nanoseconds.
    Healthcheck = {
      Test = [ "CMD" "/bin/mer" "doctor" "--brief" "--quiet" ];
      Interval = 30 * 1000 * 1000 * 1000;
      Timeout = 8 * 1000 * 1000 * 1000;
      Retries = 3;
    };
  };
}
