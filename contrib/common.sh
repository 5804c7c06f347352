# shellcheck shell=bash disable=SC2034 # used by those who source it
# common.sh - what quickstart and check share: packages and builds.
#
#   BUILD_DIR  where builds go; default: build/ in the source tree
#
# Sourced by scripts that run under `set -euo pipefail`.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=$(mkdir -p "${BUILD_DIR:-$top/build}" &&
    cd "${BUILD_DIR:-$top/build}" && pwd)

# Names of Debian packages; what quickstart needs, and what check needs besides.
build_packages=(autoconf automake ca-certificates check curl gcc libc6-dev
    libconfuse-dev libcurl4-openssl-dev libevent-dev libsqlite3-dev libssl-dev
    libwslay-dev libyajl-dev make pkg-config)
check_packages=(clang-format imagemagick mandoc openssl shellcheck)
# Unpacked and not installed: nginx would serve port 80, now and after each boot.
unpacked_packages=(nginx)

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo > /dev/null; then
		sudo "$@"
	else
		die "run this as root, or install sudo: $*"
	fi
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = \
	    installed ]
}

# install_missing PACKAGE...: touches apt only when something is missing.
install_missing() {
	local missing=() package
	if ! command -v apt-get > /dev/null; then
		echo "This is no Debian: configure will say what is missing."
		return 0
	fi
	for package; do
		is_installed "$package" || missing+=("$package")
	done
	if [ ${#missing[@]} -eq 0 ]; then
		echo "All packages are installed."
		return 0
	fi
	echo "Installing ${missing[*]} (a minute or two)"
	{
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
		    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
			--no-install-recommends install "${missing[@]}"
	} > "$build_dir/packages.log" 2>&1 || {
		tail -n 20 "$build_dir/packages.log"
		die "apt-get failed: see $build_dir/packages.log"
	}
}

# unpack_missing PACKAGE...: each below build/PACKAGE, for programs that are run
# from there. Those that are installed are left alone. What they depend on is not
# looked at: it is to be in every Debian.
unpack_missing() {
	local package dir
	command -v apt-get > /dev/null || return 0
	for package; do
		dir=$build_dir/$package
		if is_installed "$package" || [ -e "$dir" ]; then
			continue
		fi
		echo "Unpacking $package"
		unpack "$package" "$dir.new" > "$build_dir/packages.log" 2>&1 || {
			tail -n 20 "$build_dir/packages.log"
			die "apt-get failed: see $build_dir/packages.log"
		}
		mv "$dir.new" "$dir"
	done
}

# unpack PACKAGE DIR: the lists of apt may be old, or not be there.
unpack() (
	rm -rf "$2" && mkdir "$2" && cd "$2" || return
	apt-get -q download "$1" || {
		as_root apt-get -q update
		apt-get -q download "$1"
	}
	dpkg -x "$1"_*.deb .
)

# build_in DIR CONFIGURE-ARGUMENT...: a build apart from the sources.
build_in() {
	local dir=$1
	shift
	[ -x "$top/configure" ] || (cd "$top" && autoreconf -i)
	[ ! -e "$top/config.status" ] ||
	    die "the source tree itself is configured: make distclean first"
	mkdir -p "$dir"
	cd "$dir" || return
	[ -e config.status ] || "$top/configure" "$@"
	make -j"$(nproc)"
}
