//! Disks whose power can be cut: ext4 on loop devices, shut down by the kernel without writing anything back.
//!
//! What must hold: a cut throws away what was not synced and keeps what was. That is not believed but tried, on a disk
//! of its own, before any test relies on it ([`Bench::new`]). Mounts end with the test however it ends: a guard
//! process waits at a pipe that only the test holds.
//!
//! What is not here: hardware that lies about a flush, and torn sectors; the simulated disk of the log has those.

use crate::process::wait_until;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
/// Sparse: a node of a test uses a tenth of it.
const IMAGE_BYTES: u64 = 300 << 20;
/// `EXT4_IOC_SHUTDOWN` with the flag that leaves the journal unwritten, on all the open disks when a line comes.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
disks = [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]
print('armed', flush=True)
sys.stdin.readline()
for disk in disks:
    fcntl.ioctl(disk, 0x8004587d, struct.pack('I', 2))
";

/// Where disks are made, and by what their power is cut.
pub struct Bench {
    dir: tempfile::TempDir,
    tool: Tool,
}

#[derive(Clone, Copy)]
enum Tool {
    XfsIo,
    Python,
}

/// An image and where it is mounted.
pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
    mounted: bool,
    guard: Child,
}

/// Tools that hold the disks open and wait for a line.
pub struct Armed(Vec<Child>);

impl Bench {
    /// Tries a cut; the error says why this machine cannot do it.
    pub fn new() -> Result<Bench, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let tool = if run("xfs_io", &["-V"]).is_ok() { Tool::XfsIo } else { Tool::Python };
        let bench = Bench { dir, tool };
        let mut disk = bench.disk("probe")?;
        let kept = disk.mount.join("kept");
        let dropped = disk.mount.join("dropped");
        let put = |path: &Path| File::create(path).and_then(|mut file| file.write_all(b"x").map(|()| file));
        let failed = |error: std::io::Error| error.to_string();
        put(&kept).and_then(|file| file.sync_all()).map_err(failed)?;
        File::open(&disk.mount).and_then(|root| root.sync_all()).map_err(failed)?;
        put(&dropped).map(drop).map_err(failed)?;
        bench.arm(&[&disk])?.cut()?;
        if put(&disk.mount.join("after")).is_ok() {
            return Err("a disk takes writes after its power was cut".to_owned());
        }
        disk.unmount();
        disk.mount()?;
        if fs::read(&kept).ok().as_deref() != Some(b"x") {
            return Err("a cut lost what was synced".to_owned());
        }
        if fs::read(&dropped).is_ok_and(|bytes| !bytes.is_empty()) {
            return Err("a cut kept what was not synced".to_owned());
        }
        Ok(bench)
    }

    /// Makes one and mounts it.
    pub fn disk(&self, name: &str) -> Result<Disk, String> {
        let image = self.dir.path().join(format!("{name}.img"));
        let mount = self.dir.path().join(name);
        fs::create_dir(&mount).map_err(|error| error.to_string())?;
        File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).map_err(|error| error.to_string())?;
        run("mkfs.ext4", &["-q", "-F", &text(&image)])?;
        let guard = Command::new("sh")
            .args(["-c", "read -r _; umount -l \"$0\" 2>/dev/null"])
            .arg(&mount)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let mut disk = Disk { image, mount, mounted: false, guard };
        disk.mount()?;
        Ok(disk)
    }

    /// Gets ready to cut the power of all of these at once.
    pub fn arm(&self, disks: &[&Disk]) -> Result<Armed, String> {
        let spawn = |command: &mut Command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().map_err(|error| format!("neither xfs_io nor python3: {error}"))
        };
        match self.tool {
            Tool::XfsIo => {
                let tools = disks.iter().map(|disk| spawn(Command::new("xfs_io").arg("-x").arg(&disk.mount)));
                tools.collect::<Result<_, _>>().map(Armed)
            }
            Tool::Python => {
                let mounts = disks.iter().map(|disk| &disk.mount);
                let mut tool = spawn(Command::new("python3").args(["-c", SHUTDOWN]).args(mounts))?;
                let mut line = [0; 6];
                let armed = tool.stdout.as_mut().map(|out| std::io::Read::read_exact(out, &mut line));
                match armed {
                    Some(Ok(())) => Ok(Armed(vec![tool])),
                    Some(Err(_)) | None => Err(Armed(vec![tool]).cut().err().unwrap_or_default()),
                }
            }
        }
    }
}

impl Armed {
    /// Cuts.
    pub fn cut(mut self) -> Result<(), String> {
        for tool in &mut self.0 {
            // A tool that has ended already says why below.
            let _ = tool.stdin.take().map(|mut line| line.write_all(b"shutdown\n"));
        }
        for tool in self.0 {
            let output = tool.wait_with_output().map_err(|error| error.to_string())?;
            if !output.status.success() || !output.stderr.is_empty() {
                return Err(format!("shutdown ioctl refused: {}", String::from_utf8_lossy(&output.stderr)));
            }
        }
        Ok(())
    }
}

impl Disk {
    /// Where a node keeps its things. Only the disk itself has it: while the disk is off there is nothing, so that
    /// nobody begins anew in the empty mount point.
    pub fn data(&self) -> PathBuf {
        self.mount.join("data")
    }

    /// Whether writes are refused, as they are after a cut.
    pub fn is_off(&self) -> bool {
        File::create(self.mount.join("after")).is_err()
    }

    /// Whether a node has begun a snapshot on it and not finished.
    pub fn has_half_written(&self) -> bool {
        let entries = fs::read_dir(self.data().join("snapshots")).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.path());
        names.any(|path| path.extension().is_some_and(|extension| extension == "tmp"))
    }

    /// Turns it on; the journal is replayed.
    pub fn mount(&mut self) -> Result<(), String> {
        run("mount", &["-o", "loop", &text(&self.image), &text(&self.mount)])?;
        self.mounted = true;
        Ok(())
    }

    /// Takes it off, once the last process that held it is gone.
    pub fn unmount(&mut self) {
        wait_until("the disk to be free", LONG, || run("umount", &[&text(&self.mount)]).is_ok());
        self.mounted = false;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted && run("umount", &[&text(&self.mount)]).is_err() {
            let _ = run("umount", &["-l", &text(&self.mount)]);
        }
        // The loop device goes with its last user; the guard finds nothing left to do.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(words).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
