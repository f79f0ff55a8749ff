# pome_edge: the Rust crate in edge/ as one static library. Cargo runs offline and by the lock file; the crates were
# fetched by scripts/setup.sh. Presets share one output folder, because their Rust code is the same.
find_program(POME_CARGO cargo HINTS $ENV{CARGO_HOME}/bin $ENV{HOME}/.cargo/bin REQUIRED)

cmake_path(IS_PREFIX PROJECT_SOURCE_DIR ${CMAKE_BINARY_DIR} NORMALIZE inside_source)
if(inside_source)
  set(edge_default ${PROJECT_SOURCE_DIR}/build/edge)
else()
  set(edge_default ${CMAKE_BINARY_DIR}/edge)
endif()
set(POME_EDGE_DIR ${edge_default} CACHE PATH "where cargo puts what it builds")
set(edge_library ${POME_EDGE_DIR}/release/libpome_edge.a)

file(GLOB edge_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/edge/src/*.rs)
# Oniguruma comes with its crate: a copy on the system may be older and then gives other ids.
add_custom_command(OUTPUT ${edge_library}
  COMMAND ${CMAKE_COMMAND} -E env RUSTONIG_SYSTEM_LIBONIG=0 CC=${CMAKE_C_COMPILER}
          ${POME_CARGO} build --quiet --release --offline --locked
          --manifest-path ${PROJECT_SOURCE_DIR}/edge/Cargo.toml --target-dir ${POME_EDGE_DIR}
  COMMAND ${CMAKE_COMMAND} -E touch ${edge_library}
  DEPENDS ${edge_sources} ${PROJECT_SOURCE_DIR}/edge/Cargo.toml ${PROJECT_SOURCE_DIR}/edge/Cargo.lock
  COMMENT "Building the Rust crate edge (tokenizers, chat templates, grammars)"
  VERBATIM)
add_custom_target(pome_edge_build DEPENDS ${edge_library})

add_library(pome_edge STATIC IMPORTED GLOBAL)
add_dependencies(pome_edge pome_edge_build)
set_target_properties(pome_edge PROPERTIES
  IMPORTED_LOCATION ${edge_library}
  INTERFACE_INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/edge/include)
target_link_libraries(pome_edge INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
