# cmake -DFOLDER=... -DOUT=... -P embed_page.cmake: writes the files of FOLDER as C++ into OUT.
file(GLOB files "${FOLDER}/*")
list(SORT files)
set(arrays "")
set(table "")
set(index 0)
foreach(path IN LISTS files)
  get_filename_component(name "${path}" NAME)
  file(READ "${path}" hex HEX)
  file(SHA256 "${path}" digest)
  file(SIZE "${path}" size)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(REGEX REPLACE "('[^,]*',){24}" "\\0\n" bytes "${bytes}")
  string(APPEND arrays "constexpr char kFile${index}[] = {\n${bytes}'\\0'};\n")
  string(APPEND table "    {\"${name}\", {kFile${index}, ${size}}, \"${digest}\"},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE "${OUT}" "#include \"client/web/page_files.h\"

namespace s2p {
namespace {

${arrays}
}  // namespace

const std::vector<PageFile>& PageFiles() {
  static const auto* const files = new std::vector<PageFile>{
${table}  };
  return *files;
}

}  // namespace s2p
")
