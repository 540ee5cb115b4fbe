# Sourced by the recipes and the tests: puts `seqkit` on the PATH, installing it where that is needed, and
# brings what recipes say their steps with.
#
#   . recipes/setup.sh [dev]      with `dev` also what the tests need
#
# Uses the virtual environment that is active, else .venv in the repository, made when it is missing. A second
# call finds everything in place and takes no time.

seqkit_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
seqkit_extra=""
if [ "${1:-}" = dev ]; then seqkit_extra=dev; fi # other words are the sourcing script's own

seqkit_setup() {
    local python stamp wanted
    if [ -z "${VIRTUAL_ENV:-}" ]; then
        if [ ! -x "$seqkit_root/.venv/bin/python" ]; then
            python="$(command -v python3.11 || command -v python3 || command -v python)" || {
                echo "setup: error: no python3 found; seqkit needs Python 3.11 or later" >&2
                return 2
            }
            "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
                echo "setup: error: $("$python" --version) is too old; seqkit needs Python 3.11 or later" >&2
                return 2
            }
            echo "setup: making $seqkit_root/.venv" >&2
            "$python" -m venv "$seqkit_root/.venv"
        fi
        # shellcheck disable=SC1091
        . "$seqkit_root/.venv/bin/activate"
    fi
    # What was installed last is written down, so that nothing is done twice; dev includes the rest.
    wanted="$(cat "$seqkit_root/pyproject.toml" "$seqkit_root/constraints.txt" | cksum) $seqkit_root"
    for stamp in "$VIRTUAL_ENV/.seqkit-installed-dev" "$VIRTUAL_ENV/.seqkit-installed-$seqkit_extra"; do
        if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return 0; fi
    done
    echo "setup: installing seqkit and what it needs into $VIRTUAL_ENV (a few minutes the first time)" >&2
    python -m pip install --quiet --disable-pip-version-check -c "$seqkit_root/constraints.txt" \
        -e "$seqkit_root${seqkit_extra:+[$seqkit_extra]}" >&2
    echo "$wanted" >"$stamp"
}

# A heading.
step() { printf '\n== %s\n' "$*" >&2; }

# Words of a command line as they can be typed.
typed() {
    local word line=""
    for word; do
        case $word in
            "" | *[!A-Za-z0-9_./,:=+%@-]*) word=$(printf %q "$word") ;;
        esac
        line+=" $word"
    done
    printf '   $%s\n' "$line" >&2
}

# A command, shown and run.
show() {
    typed "$@"
    "$@"
}

# Of a step that was done before.
there_already() { echo "   there already" >&2; }

# The end of a recipe, for those who go on: go_on FOLDER COMMAND …
go_on() {
    step "That is all. To go on by hand, in any shell:"
    typed . "$VIRTUAL_ENV/bin/activate"
    typed cd "$1"
    shift
    typed "$@"
}

seqkit_setup
