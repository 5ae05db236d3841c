#!/usr/bin/env bash
# Prove the two commands on a fresh machine: a bare Debian 12 made by debootstrap, entered with
# chroot, with nothing in it but the packages that `make doctor` names.
#
#   sudo scripts/fresh_machine.sh [options] [icebreaker] [test]
#
# The repository is cloned into it as committed; the commands run as an ordinary user with an
# empty environment. Options:
#
#   --root DIR       where to build the root (default: a new folder under /var/tmp)
#   --keep           leave it there afterwards (it is kept anyway where a command failed)
#   --suite NAME     Debian release (default: bookworm)
#   --mirror URL     Debian mirror (default: debootstrap's own)
#   --extra PKG      one more package for the test, such as iverilog; may be repeated
#   --copy FILE      copy a file of this machine to the same place; may be repeated
#   --bind DIR       show a folder of this machine at the same place, read-only; may be repeated
#   --env NAME[=V]   set a variable for apt and for the commands; may be repeated
#   --network        take this machine's ways to the network along: name resolution, certificate
#                    bundle, pip's configuration and the local folders it names, proxy variables
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
suite=bookworm mirror="" root="" keep=0 network=0
extra=() copies=() binds=() variables=() commands=()

die() { echo "fresh_machine: $*" >&2; exit 1; }
say() { printf '\n=== %s\n' "$*"; }

while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --keep) keep=1; shift ;;
    --suite) suite=$2; shift 2 ;;
    --mirror) mirror=$2; shift 2 ;;
    --extra) extra+=("$2"); shift 2 ;;
    --copy) copies+=("$2"); shift 2 ;;
    --bind) binds+=("$2"); shift 2 ;;
    --env) variables+=("$2"); shift 2 ;;
    --network) network=1; shift ;;
    icebreaker|test) commands+=("$1"); shift ;;
    -h|--help) sed -n '2,22s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown argument $1 (see --help)" ;;
  esac
done
[ ${#commands[@]} -gt 0 ] || commands=(icebreaker test)
[ "$(id -u)" = 0 ] || die "must run as root: it makes a root file system and enters it"
for tool in debootstrap chroot git; do
  command -v $tool >/dev/null || die "$tool is missing; get it with: apt-get install debootstrap git"
done

if [ $network = 1 ]; then
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ -e $file ] && copies+=("$file")
  done
  while IFS='=' read -r name _; do
    case $name in
      PIP_*|*_proxy|*_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE) variables+=("$name") ;;
    esac
  done < <(env)
  # Local folders that pip's configuration and variables name: indexes and wheel folders.
  while read -r folder; do
    [ -d "$folder" ] && binds+=("$folder")
  done < <({ python3 -m pip config list 2>/dev/null; env | grep '^PIP_' || true; } \
    | grep -oE "(file://)?/[^ '\"]+" | sed 's,^file://,,' | sort -u)
fi

[ -n "$root" ] || root=$(mktemp -d /var/tmp/addgate-fresh.XXXXXX)
root=$(realpath -m "$root")
# It is removed in the end, so it must hold nothing else.
[ ! -e "$root" ] || [ -z "$(ls -A "$root")" ] || die "--root $root is not empty"
mkdir -p "$root"
chmod 755 "$root" # the ordinary user must get through it
failed=1
leave() {
  # Deepest first; nothing of this machine may be removed through a mount.
  awk -v root="$root/" 'index($2, root) == 1 { print $2 }' /proc/self/mounts | sort -r \
    | while read -r mount; do umount "$mount" || umount -l "$mount"; done
  if grep -q " $root/" /proc/self/mounts; then
    echo "fresh_machine: mounts are left under $root; it is not removed" >&2
  elif [ $keep = 0 ] && [ $failed = 0 ]; then
    rm -rf --one-file-system "$root"
  else
    echo "fresh_machine: the root is left in $root" >&2
  fi
}
trap leave EXIT

say "bare Debian $suite in $root (debootstrap, minbase)"
debootstrap --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} >"$root.debootstrap.log" 2>&1 \
  || { tail -5 "$root.debootstrap.log"; die "debootstrap failed"; }
rm -f "$root.debootstrap.log"

# debootstrap has made the few device nodes that are needed. This machine's /dev is never shown
# inside: whoever removed a root that is still mounted would remove this machine's devices.
[ -c "$root/dev/null" ] && : >"$root/dev/null" 2>/dev/null \
  || die "$root cannot hold device nodes (mounted nodev?); choose another place with --root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
# Terminals of its own: the driver's tests open pseudo-terminals as serial ports.
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
ln -sf pts/ptmx "$root/dev/ptmx"
copy_files() {
  local file
  for file in ${copies[@]+"${copies[@]}"}; do
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
  done
}
copy_files
for folder in ${binds[@]+"${binds[@]}"}; do
  mkdir -p "$root$folder"
  mount --bind "$folder" "$root$folder"
  mount -o remount,bind,ro "$root$folder"
done

environment=(PATH=/usr/sbin:/usr/bin:/sbin:/bin)
for variable in ${variables[@]+"${variables[@]}"}; do
  case $variable in
    *=*) environment+=("$variable") ;;
    *) environment+=("$variable=${!variable-}") ;;
  esac
done
as_root() { chroot "$root" env -i "${environment[@]}" DEBIAN_FRONTEND=noninteractive "$@"; }
as_user() {
  chroot --userspec=newcomer:newcomer "$root" \
    env -i "${environment[@]}" HOME=/home/newcomer USER=newcomer \
    sh -c 'cd /home/newcomer/addgate && exec "$@"' sh "$@" </dev/null
}

say "clean clone of $(git -C "$here" rev-parse --short HEAD)"
as_root useradd --create-home newcomer
git clone --quiet --no-hardlinks "$here" "$root/home/newcomer/addgate"
chroot "$root" chown -R newcomer:newcomer /home/newcomer/addgate

# must_name PACKAGE...: doctor fails, and names each package as missing.
must_name() {
  local report package
  report=$(as_user python3 scripts/doctor.py --for demo) && die "doctor found nothing missing"
  echo "$report"
  for package in "$@"; do
    grep -q "apt-get install.* $package\( \|\$\)" <<<"$report" || die "doctor does not name $package"
  done
}

say "doctor on the bare machine must name what is missing"
as_root apt-get update -qq
as_root apt-get install -y -qq --no-install-recommends python3-minimal >/dev/null 2>&1
must_name python3
as_root apt-get install -y -qq --no-install-recommends python3 >/dev/null 2>&1
must_name python3-venv make g++ perl

for command in "${commands[@]}"; do
  purpose=demo
  [ "$command" = icebreaker ] || purpose=test
  packages=$(as_user python3 scripts/doctor.py --packages --for $purpose)
  [ $purpose = demo ] || packages="$packages ${extra[*]-}"
  say "apt-get install $packages"
  # shellcheck disable=SC2086
  as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null 2>&1 \
    || die "apt-get install failed"
  copy_files # a package may have written its own, such as the certificate bundle
  say "make $command, as an ordinary user"
  start=$(date +%s)
  as_user make "$command"
  say "make $command: done in $(($(date +%s) - start)) s"
done
failed=0
du -sh "$root/home/newcomer" | sed 's/^/home folder: /'
say "both proven: ${commands[*]}"
