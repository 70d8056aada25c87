# The container image: the static binary, its two other names, CA certificates, an empty /tmp, and a /var/lib/mer that the
# numeric user owns. Nothing else: no shell, no libc, no /nix, no /etc/passwd. Dockerfile makes the same.
{ dockerTools, cacert, mer-static }:
let
  uid = "65532";
in
dockerTools.buildLayeredImage {
  name = "mer";
  tag = mer-static.version;

  # What a store path would bring along is left out; the files are copied below.
  contents = [ ];
  includeStorePaths = false;
  fakeRootCommands = ''
    install -D -m 755 ${mer-static}/bin/mer bin/mer
    ln -s mer bin/mer-driver
    ln -s mer bin/mer-migrations
    install -D -m 644 ${cacert}/etc/ssl/certs/ca-bundle.crt etc/ssl/certs/ca-certificates.crt
    install -d -m 1777 tmp
    install -d -m 755 var var/lib
    install -d -m 700 var/lib/mer
    chown ${uid}:${uid} var/lib/mer
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
