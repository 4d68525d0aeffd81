#!/usr/bin/env bash
# Runs a command with Swift 6 on the PATH: ios_demo/swift.sh swift build
#
# Where Swift is installed, the command runs as it is. On Debian 12 or later, which may have no Swift of its own,
# the packages of Debian 13 are unpacked into the user's cache, once, and bubblewrap shows them to the command in
# place of /usr, without a network. Nothing on the machine itself is changed. Where neither is to be had, the exit
# code is 69 and one line says why.
set -euo pipefail

readonly suite=trixie
readonly packages=(
    swiftlang libstdc++-14-dev libc6-dev libssl-dev pkgconf # what compiles and links
    base-files bash dash coreutils findutils grep sed libc-bin # what the compiler's own scripts call
)
# A debugger, a documentation tool, a linker for other machines, and what is only read.
readonly unused=(
    './usr/libexec/swift/bin/lldb*' './usr/libexec/swift/bin/docc' './usr/libexec/swift/bin/clangd'
    './usr/libexec/swift/lib/liblldb*' './usr/share/doc/*' './usr/share/man/*' './usr/share/locale/*'
)

absent() {
    echo "swift.sh: no Swift 6 here: $1" >&2
    exit 69
}

has_swift() {
    local version
    version=$({ swift --version 2> /dev/null || true; } | sed -n 's/.*Swift version \([0-9]*\).*/\1/p')
    [[ -n $version && $version -ge 6 ]]
}

# Prints the address that this machine takes Debian from.
mirror() {
    { cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2> /dev/null || true; } |
        sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' -e 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' |
        awk '!/security/ { print; exit }'
}

# Makes the tree of the toolchain at $1, whole or not at all.
unpack() {
    local tree=$1 work from
    from=$(mirror)
    [[ -n $from ]] || absent "apt names no mirror of Debian"
    work=$(mktemp -d "$tree.XXXXXX")
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$work'" EXIT
    mkdir -p "$work"/{lists/partial,archives/partial,root}
    : > "$work/status"
    cat > "$work/from.sources" <<- SOURCES
		Types: deb
		URIs: $from
		Suites: $suite
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	SOURCES
    local apt=(
        apt-get -qq -o "Dir::Etc::SourceList=$work/from.sources" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State=$work" -o "Dir::State::Lists=$work/lists" -o "Dir::State::Status=$work/status"
        -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives" -o Acquire::Languages=none
        -o APT::Install-Recommends=false -o APT::Sandbox::User= -o Debug::NoLocking=true
    )
    "${apt[@]}" update || absent "the list of Debian's packages could not be fetched"
    "${apt[@]}" -y --download-only install "${packages[@]}" || absent "Debian's packages could not be fetched"
    local package
    # base-files comes first, for it has the links from /lib and /bin that the others are unpacked through.
    for package in "$work"/archives/base-files_*.deb "$work"/archives/*.deb; do
        [[ -e $package ]] || continue # base-files again
        dpkg-deb --fsys-tarfile "$package" |
            tar -x -C "$work/root" --no-same-owner --keep-directory-symlink "${unused[@]/#/--exclude=}"
        rm -f "$package"
    done
    ldconfig -r "$work/root"
    mv "$work/root" "$tree"
}

main() {
    [[ $# -gt 0 ]] || { echo "usage: swift.sh COMMAND [ARGUMENT]..." >&2; exit 64; }
    if has_swift; then exec "$@"; fi
    command -v bwrap > /dev/null || absent "neither swift nor bwrap (package bubblewrap) is installed"
    command -v dpkg-deb > /dev/null || absent "swift is not installed, and this is no Debian to take it from"
    bwrap --ro-bind / / --unshare-net true 2> /dev/null || absent "bwrap may not make namespaces on this machine"

    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/pocketbert-swift
    local tree
    tree=$cache/$(printf '%s\n' "$suite" "$(uname -m)" "${packages[@]}" "${unused[@]}" | sha256sum | cut -c1-16)
    if [[ ! -d $tree ]]; then
        mkdir -p "$cache"
        (
            flock 9 # two that begin at once unpack once
            [[ -d $tree ]] || unpack "$tree"
        ) 9> "$cache/lock"
    fi

    local own=(--ro-bind "$tree/usr" /usr --ro-bind "$tree/etc" /etc --proc /proc --dev /dev --tmpfs /run)
    local place
    for place in bin sbin lib lib64; do own+=(--symlink "usr/$place" "/$place"); done
    for place in /*; do
        case $place in
            /bin | /boot | /dev | /etc | /lib* | /proc | /run | /sbin | /sys | /usr) ;;
            *) [[ -d $place ]] && own+=(--bind "$place" "$place") ;;
        esac
    done
    exec bwrap "${own[@]}" --chdir "$PWD" --unshare-net --die-with-parent \
        --setenv PATH /usr/libexec/swift/bin:/usr/bin:/usr/sbin --setenv LANG C.UTF-8 "$@"
}

main "$@"
