# The short names. What CI runs is `.ci/run`; `just check` is the same.

default:
    @just --list

# Everything that must be green before a push. Writes nothing but build output.
check:
    .ci/run

# The parts of it that take a minute: format, lints, repository rules.
quick:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --test tidy

# The one that writes.
fix:
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged -- -D warnings
    cargo fmt --all

# A whole cluster on loopback: `just up --nodes 5 --fresh`.
up *ARGS:
    cargo run --release -- up {{ARGS}}

# All tests, or some: `just test -p holdfast-ledger`.
test *ARGS:
    cargo test {{ if ARGS == "" { "--workspace" } else { ARGS } }}

# Whole clusters, one seed each: `just sim run 7 --plan`, `just sim many --count 1000`, `just sim shrink 7`.
sim *ARGS:
    cargo run -p holdfast-sim -- {{ARGS}}

# The load driver against a running `up`: `just load --connections 256 --duration 30s`.
load *ARGS:
    cargo run --release -p chaos -- load {{ARGS}}

# Image, Compose with the VIP, chart: `just ship`, or a part: `just ship chart`.
ship *PARTS:
    tests/ship/run {{PARTS}}
