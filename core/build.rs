//! Packs the catalog's models: a vendor's file is deflated, so that the library carries a fraction of the text and a
//! client unpacks the vendors it uses.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::{env, fs};

use flate2::Compression;
use flate2::write::DeflateEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let source = Path::new("src/catalog/models");
    println!("cargo::rerun-if-changed={}", source.display());
    let out = env::var("OUT_DIR")?;
    let mut files: Vec<_> = fs::read_dir(source)?
        .map(|file| file.map(|file| file.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut table = format!("static VENDORS: [Vendor; {}] = [\n", files.len());
    for path in files {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&fs::read(&path)?)?;
        let packed_path = Path::new(&out).join(format!("{name}.deflate"));
        fs::write(&packed_path, packed.finish()?)?;
        writeln!(
            table,
            "    Vendor::new({name:?}, include_bytes!({packed_path:?})),"
        )?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&out).join("vendors.rs"), table)?;
    Ok(())
}
