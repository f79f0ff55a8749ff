# The C++ API as one shared library with everything in it, and what `cmake --install` puts where:
#   bin/pome · lib/libpome.so · lib/cmake/pome · include/pome · share/pome/demo
#   lib/pome: MLX as its wheel has it (mlx/lib beside *.libs), because libmlx finds its own libraries by that layout
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(pome_shared SHARED $<TARGET_OBJECTS:pome_api>)
target_link_libraries(pome_shared PRIVATE pome_api)
target_include_directories(pome_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(pome_shared INTERFACE cxx_std_20)
set_target_properties(pome_shared PROPERTIES OUTPUT_NAME pome EXPORT_NAME pome VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

# Only the API leaves the library: the classes and functions of include/pome, by their mangled names.
set(patterns "")
foreach(class IN ITEMS Error Library Model Session)
  string(LENGTH ${class} length)
  foreach(prefix IN ITEMS _ZN _ZNK _ZNR _ZNO _ZTIN _ZTSN _ZTVN)
    list(APPEND patterns "${prefix}4pome${length}${class}*")
  endforeach()
endforeach()
list(APPEND patterns "_ZN4pome7version*" "_ZN4pome9error_row*" "_ZN4pome11error_table*")
set(exports ${CMAKE_BINARY_DIR}/pome.exports)
if(APPLE)
  list(TRANSFORM patterns PREPEND "_")
  list(JOIN patterns "\n" patterns)
  file(CONFIGURE OUTPUT ${exports} CONTENT "${patterns}\n")
  target_link_options(pome_shared PRIVATE -Wl,-exported_symbols_list,${exports})
  set(origin "@loader_path")
else()
  list(JOIN patterns ";\n    " patterns)
  file(CONFIGURE OUTPUT ${exports} CONTENT "{\n  global:\n    ${patterns};\n  local: *;\n};\n")
  target_link_options(pome_shared PRIVATE -Wl,--version-script=${exports})
  set(origin "$ORIGIN")
endif()
set_property(TARGET pome_shared PROPERTY LINK_DEPENDS ${exports})

# From a folder of the installation to the folder of libmlx.
function(pome_install_rpath target folder)
  file(RELATIVE_PATH up ${CMAKE_INSTALL_FULL_LIBDIR} ${CMAKE_INSTALL_PREFIX}/${folder})
  file(RELATIVE_PATH to_mlx ${CMAKE_INSTALL_PREFIX}/${folder} ${CMAKE_INSTALL_FULL_LIBDIR}/pome/mlx/lib)
  set_property(TARGET ${target} PROPERTY INSTALL_RPATH "${origin}/${to_mlx}")
endfunction()
pome_install_rpath(pome_shared ${CMAKE_INSTALL_LIBDIR})
pome_install_rpath(pome ${CMAKE_INSTALL_BINDIR})

install(TARGETS pome RUNTIME)
install(TARGETS pome_shared EXPORT pomeTargets LIBRARY)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/pome TYPE INCLUDE)
install(DIRECTORY ${POME_MLX_DIR}/lib DESTINATION ${CMAKE_INSTALL_LIBDIR}/pome/mlx PATTERN cmake EXCLUDE)
file(GLOB wheel_libraries ${POME_MLX_DIR}/../*.libs)
install(DIRECTORY ${wheel_libraries} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pome)
if(EXISTS ${PROJECT_SOURCE_DIR}/assets/demo/config.json)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/assets/demo DESTINATION ${CMAKE_INSTALL_DATADIR}/pome)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/assets/catalogue.json DESTINATION ${CMAKE_INSTALL_DATADIR}/pome)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/pome)
install(EXPORT pomeTargets NAMESPACE pome:: DESTINATION ${package_folder})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pomeConfig.cmake CONTENT
  "include(\${CMAKE_CURRENT_LIST_DIR}/pomeTargets.cmake)\n" @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/pomeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/pomeConfig.cmake ${CMAKE_BINARY_DIR}/pomeConfigVersion.cmake DESTINATION ${package_folder})
