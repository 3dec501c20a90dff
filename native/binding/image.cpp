#include "binding/bindings.h"

namespace altclip {

void init_image(Napi::Env, Napi::Object) {}

}  // namespace altclip
