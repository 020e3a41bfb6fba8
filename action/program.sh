#!/usr/bin/env bash
# Says where the program is: the one on the PATH, else the release that release.sums names for this runner, fetched and
# compared. What it cannot say it explains in one line, and fails.
#
# The sums lie beside the Action, in the commit by which a workflow pins it: nobody who can replace what is published can
# replace what runs. They are put there when a release is made (.ci/release/pin); the commits of main have none.
set -u
export LC_ALL=C

no() {
  printf '%s\n' "$1"
  exit 1
}

sum() { if command -v sha256sum >/dev/null; then sha256sum -- "$1"; else shasum -a 256 -- "$1"; fi | cut -c 1-64; }

if program=$(command -v countersign); then
  printf '%s\n' "$program"
  exit 0
fi

sums="$(dirname "$0")/release.sums"
[ -f "$sums" ] || no 'the program countersign is not on the PATH, and this commit of the Action names no release to fetch: pin the Action to a released commit'
named=$(grep -E "^[0-9a-f]{64}  countersign-v[0-9]+\.[0-9]+\.[0-9]+-${RUNNER_OS-}-${RUNNER_ARCH-}\$" "$sums") \
  || no "there is no release for ${RUNNER_OS-} on ${RUNNER_ARCH-}: put the program countersign on the PATH"
wanted=${named%% *}
asset=${named##* }
version=$(printf '%s' "$asset" | cut -d - -f 2)

program="${RUNNER_TEMP:?}/$asset"
if [ ! -f "$program" ] || [ "$(sum "$program")" != "$wanted" ]; then
  case $FETCH_FROM in
    https://*) only='=https' ;;
    http://127.0.0.1:* | http://localhost:*) only='=http' ;;
    *) no 'releases are fetched over https only' ;;
  esac
  part=$(mktemp "$program.XXXXXX") || no 'there is no place for the program'
  curl --fail --silent --show-error --location --proto "$only" --retry 3 --max-time 120 --output "$part" \
    -- "${FETCH_FROM%/}/$version/$asset" || no "the release $version could not be fetched"
  [ "$(sum "$part")" = "$wanted" ] || no "what was fetched is not the program of release $version: its SHA-256 differs"
  chmod 0755 "$part"
  mv -f "$part" "$program"
fi
printf '%s\n' "$program"
