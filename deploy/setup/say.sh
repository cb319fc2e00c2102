# Sourced by the scripts beside it: messages in the reader's language (as exchange/text.py chooses it), and helpers.

EXCHANGE_READER=en
for value in "${EXCHANGE_LANG:-}" "${LC_ALL:-}" "${LC_MESSAGES:-}" "${LANG:-}"; do
    if [ -n "$value" ]; then
        case "$value" in [zZ][hH]*) EXCHANGE_READER=zh ;; esac
        break
    fi
done

say() { # say ENGLISH CHINESE
    if [ "$EXCHANGE_READER" = zh ]; then printf '%s\n' "$2"; else printf '%s\n' "$1"; fi
}

stop() { # stop ENGLISH CHINESE
    say "$1" "$2" >&2
    exit 1
}

find_python() { # prints a Python that can make the virtual environment, or nothing
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
}

checksum() { # checksum FILE...: one line for all of them
    cat "$@" | sha256sum | cut -d ' ' -f 1
}
