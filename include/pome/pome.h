// pome's C++ API in one include.
#pragma once

#include "pome/error.h"
#include "pome/library.h"
#include "pome/options.h"
#include "pome/session.h"
