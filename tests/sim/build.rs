//! Links `fixed.c` into the simulation: what the process asks the system for, chance and time, is a function of the
//! seed there.

fn main() {
    println!("cargo:rerun-if-changed=src/fixed.c");
    // As objects, not as a library: nobody asks for these symbols by name, so a linker would leave a library's out.
    for object in cc::Build::new().file("src/fixed.c").compile_intermediates() {
        println!("cargo:rustc-link-arg-bins={}", object.display());
    }
    // Some look the symbol up while running.
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=getrandom");
}
