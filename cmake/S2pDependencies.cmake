# The libraries. All come from the system's packages, which tools/setup.sh installs.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED)  # before faiss, whose config file needs it
find_package(PkgConfig REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.74 CONFIG REQUIRED)  # headers only
find_package(Torch REQUIRED)
find_package(OpenCV REQUIRED COMPONENTS core imgproc imgcodecs)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(faiss CONFIG REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
pkg_check_modules(webp REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(icu REQUIRED IMPORTED_TARGET icu-uc)
pkg_check_modules(matio REQUIRED IMPORTED_TARGET matio)
pkg_check_modules(isal REQUIRED IMPORTED_TARGET libisal)

# LibTorch as one target whose headers are system headers.
add_library(s2p_torch INTERFACE)
add_library(s2p::torch ALIAS s2p_torch)
target_link_libraries(s2p_torch INTERFACE ${TORCH_LIBRARIES})
target_include_directories(s2p_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})

add_library(s2p_opencv INTERFACE)
add_library(s2p::opencv ALIAS s2p_opencv)
target_link_libraries(s2p_opencv INTERFACE opencv_core opencv_imgproc opencv_imgcodecs)
target_include_directories(s2p_opencv SYSTEM INTERFACE ${OpenCV_INCLUDE_DIRS})

# LibTorch's headers decide the language: they need C++20 from 2.13 on, else C++17.
if(Torch_VERSION VERSION_GREATER_EQUAL 2.13)
  set(CMAKE_CXX_STANDARD 20)
else()
  set(CMAKE_CXX_STANDARD 17)
endif()

# c10d with Gloo, by which several processes train one model: LibTorch may be built without it, and
# its header needs Gloo's, of libgloo-dev. Takes half a minute, once for each build folder that has it.
include(CheckCXXSourceCompiles)
function(s2p_find_gloo)
  set(CMAKE_REQUIRED_DEFINITIONS -DUSE_C10D_GLOO)
  set(CMAKE_REQUIRED_INCLUDES ${TORCH_INCLUDE_DIRS})
  set(CMAKE_REQUIRED_LIBRARIES ${TORCH_LIBRARIES})
  check_cxx_source_compiles("
    #include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
    #include <torch/csrc/distributed/c10d/TCPStore.hpp>
    int main() { return c10d::ProcessGroupGloo::createDefaultDevice() == nullptr; }" S2P_HAS_GLOO)
  # Looks again when CMake runs again: the package may be there then.
  if(NOT S2P_HAS_GLOO)
    unset(S2P_HAS_GLOO CACHE)
  endif()
endfunction()
s2p_find_gloo()
