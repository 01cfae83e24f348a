#!/usr/bin/env bash
# Installs every package that building, testing and the demo need, on Debian 12 or 13.
#   tools/setup.sh           all packages
#   tools/setup.sh --build   only those needed to build the programs; --without-libtorch omits
#                            LibTorch, which then comes from elsewhere (docker/Dockerfile)
# Can be run any number of times; quickly does nothing if all packages are installed.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=1
libtorch='libtorch-dev'
for argument in "$@"; do
  case "$argument" in
    --build) tests=0 ;;
    --without-libtorch) libtorch= ;;
    *)
      echo "usage: tools/setup.sh [--build] [--without-libtorch]" >&2
      exit 2
      ;;
  esac
done

packages=(
  # Tools
  g++ cmake ninja-build pkg-config ccache git ca-certificates python3
  # RPC and values
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev libssl-dev
  # Networks, pictures, search. Without OpenBLAS, LibTorch and FAISS fall back on reference BLAS,
  # which is hundreds of times slower. With Gloo's headers several processes can train one model.
  ${libtorch:+"$libtorch" libgloo-dev} libopencv-dev libfaiss-dev libopenblas0-openmp
  libopenblas-openmp-dev
  libjpeg-dev libpng-dev libwebp-dev libseccomp-dev
  # Storage, metrics, HTTP, command line, logs, JSON
  libsqlite3-dev prometheus-cpp-dev libboost-dev zlib1g-dev libcli11-dev libspdlog-dev
  nlohmann-json3-dev
  # MATLAB files in published data sets; names of files as each system encodes them; checksums of
  # TensorBoard's files
  libmatio-dev libicu-dev libisal-dev
)
test_packages=(
  # Tests and benchmarks
  libgtest-dev libgmock-dev libbenchmark-dev
  # A client of HTTP, with what its flags ask for
  libcpp-httplib-dev libbrotli-dev
  # tools/convert_weights.py, tools/s2p_model.py and the exports
  python3-torch python3-numpy python3-pil python3-onnx python3-opencv
  # The example client in Python
  python3-grpcio python3-protobuf
  # The Python package in client/python, and the check of its types
  python3-build python3-setuptools python3-wheel python3-pip mypy
  # Tests of the drawing page
  chromium
  # A test makes a locale with a decimal comma
  locales
  # The picture of the rooms in docs/architecture.md
  graphviz
  # tools/check_locks.sh
  clang
  # The certificates of the tests of deploy/
  openssl
  # The manifests in deploy/
  python3-yaml
  # The packages of deploy/packages. lintian, which checks them, is left out for its 128 packages:
  # without it, one test is skipped.
  dpkg-dev help2man
)
# Node from another source works as well, and Debian's npm conflicts with it.
command -v node >/dev/null || test_packages+=(nodejs)
command -v npm >/dev/null || test_packages+=(npm)
# Debian 12 has it, Debian 13 does not; the format check is skipped if it is missing.
if apt-cache show clang-format-14 >/dev/null 2>&1; then
  test_packages+=(clang-format-14)
fi
# Debian 13 has it, Debian 12 does not; there OpenCV runs exported models, but ResNets only.
if apt-cache show python3-onnxruntime >/dev/null 2>&1; then
  test_packages+=(python3-onnxruntime)
fi
# The file system that fails when a test tells it to; the tests that need it are skipped without.
if apt-cache show python3-fusepy >/dev/null 2>&1; then
  test_packages+=(python3-fusepy)
fi
[ "$tests" -eq 0 ] || packages+=("${test_packages[@]}")

# get_program PACKAGE PATH: extracts a program that tests run, because installing its package would
# start a server, or put one of the system's in the place of somebody's own. Without promtool the unit
# tests of the alert rules are skipped, without nginx those of the proxy in deploy/, without kubectl
# those that render deploy/kubernetes.
get_program() {
  local folder=build/tools
  [ "$tests" -eq 1 ] || return 0
  if command -v "${2##*/}" >/dev/null || [ -x "$folder$2" ]; then return; fi
  mkdir -p "$folder"
  (cd "$folder" && apt-get download -q "$1" && dpkg -x "$1"_*.deb . &&
    rm "$1"_*.deb) >/dev/null 2>&1 || echo "setup: $1 cannot be downloaded" >&2
}
get_programs() {
  get_program prometheus /usr/bin/promtool
  get_program nginx /usr/sbin/nginx
  # Debian 12 has only kubernetes-client 1.20, whose Kustomize is too old.
  if apt-cache show kubectl >/dev/null 2>&1; then get_program kubectl /usr/bin/kubectl; fi
}

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  get_programs
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

# NVIDIA's images are Ubuntu, whose packages have the same names.
systems='debian'
[ -n "$libtorch" ] || systems='debian\|ubuntu'
if ! grep -qs "^ID=\($systems\)\$" /etc/os-release; then
  echo "setup: these packages are missing, and only Debian 12 and 13 are supported:" >&2
  echo "  ${missing[*]}" >&2
  exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: run as root or install sudo; these packages are missing: ${missing[*]}" >&2
    exit 1
  fi
  sudo=(sudo)
fi
echo "setup: installing ${#missing[@]} packages: ${missing[*]}"
"${sudo[@]}" apt-get update -q
if [ "$tests" -eq 1 ] && apt-cache show clang-format-14 >/dev/null 2>&1 && ! command -v clang-format-14 >/dev/null; then
  missing+=(clang-format-14)
fi
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends "${missing[@]}"
get_programs
echo "setup: done"
