// Hyper-parameters as lib/native.ts's NativeHparams.
#pragma once

#include <napi.h>

#include "model/hparams.h"

namespace altclip {

Napi::Object hparams_to_js(Napi::Env env, const Hparams & hparams);

}  // namespace altclip
