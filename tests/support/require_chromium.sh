#!/bin/sh
# Make sure that the browser tests have a Chromium: found, installed when that is easy, or asked for.
set -eu

if [ -n "${HUBBUB_CHROMIUM:-}" ]; then
    [ -x "$HUBBUB_CHROMIUM" ] && exit 0
    echo "HUBBUB_CHROMIUM is $HUBBUB_CHROMIUM, which cannot be run." >&2
    exit 2
fi
for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing Chromium for the browser tests"
    apt-get update -qq
    # The headless build is enough, smaller and quicker; older systems have only the whole browser.
    for name in chromium-headless-shell chromium; do
        if apt-cache show "$name" >/dev/null 2>&1; then
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$name" \
                fonts-noto-cjk >/dev/null
            break
        fi
    done
    exit 0
fi
echo "no Chromium found: install one, or set HUBBUB_CHROMIUM to its path." >&2
exit 2
