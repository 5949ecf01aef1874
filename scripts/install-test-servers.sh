#!/usr/bin/env bash
# Install the two servers the tests drive, PostgreSQL and Chromium, with a font that has Chinese.
# Safe to repeat: what is there already is left alone. Where it cannot install, it says what is
# missing and succeeds: the tests that need the part skip on a desk and fail under CI.
set -euo pipefail

has_postgres() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

has_chromium() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

# The Node.js inside Playwright links it; a minimal Debian does not have it.
has_libatomic() {
    ! command -v ldconfig >/dev/null || ldconfig -p | grep 'libatomic\.so\.1' >/dev/null
}

has_chinese_font() {
    command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh-cn family)" ]
}

packages=()
has_postgres || packages+=(postgresql)
has_chromium || packages+=(chromium)
has_libatomic || packages+=(libatomic1)
has_chinese_font || packages+=(fontconfig fonts-wqy-zenhei)
if [ ${#packages[@]} -eq 0 ]; then
    exit 0
fi

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "*** Missing: ${packages[*]}. Tests that need them will be skipped (and fail when CI is set)." >&2
    echo "*** Install them with your package manager, or run 'make test' as root on Debian or Ubuntu." >&2
    exit 0
fi

# Debian starts a database cluster on port 5432 when PostgreSQL is installed; the tests start their own.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi

install() {
    apt-get update -qq &&
        apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "${packages[@]}"
}

echo "Installing ${packages[*]} ..."
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for attempt in 1 2; do
    if install >"$log" 2>&1; then
        echo "Installed ${packages[*]}."
        exit 0
    fi
    echo "Attempt $attempt failed:" >&2
    tail -n 20 "$log" >&2
done
echo "*** Could not install ${packages[*]}: tests that need them will be skipped (and fail when CI is set)." >&2
