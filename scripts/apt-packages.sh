#!/bin/sh
# Installs the packages of apt-packages.txt that are missing; does nothing if none is.
set -eu
cd "$(dirname "$0")/.."
command -v dpkg-query >/dev/null 2>&1 || {
    echo "not a Debian system: see 'tinygen doctor' for what to install" >&2
    exit 0
}
missing=""
for package in $(grep -v '^#' apt-packages.txt); do
    name=${package#\?}
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' && continue
    # What a release may lack is looked up in the lists that are there: getting them each time would take long.
    [ "$name" = "$package" ] || apt-cache show "$name" >/dev/null 2>&1 || continue
    missing="$missing $name"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
# shellcheck disable=SC2086 # a list of words
{
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
} >/dev/null
