"""Names that QEMU 7.2 knows, so that "we lack this" and "there is no such thing" are different messages."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPTIONS = _words(
    """
    accel acpitable action add-fd append async-teardown audio audio-help audiodev bios blockdev boot cdrom
    chardev chroot compat cpu D d daemonize debugcon device dfilter display drive dtb dump-vmstate echr
    enable-kvm enable-sync-profile fda fdb fsdev full-screen fw_cfg g gdb global h hda hdb hdc hdd help icount
    incoming initrd iscsi k kernel L loadvm m M machine mem-path mem-prealloc mon monitor msg mtdblock name
    net netdev nic no-acpi no-fd-bootchk no-hpet no-reboot no-shutdown no-user-config nodefaults nographic
    numa object old-param only-migratable option-rom overcommit parallel pflash pidfile plugin portrait
    preconfig prom-env qmp qmp-pretty qtest qtest-log readconfig rotate rtc runas S s sandbox sd seed
    semihosting semihosting-config serial set singlestep smbios smp snapshot spice tpmdev trace usb usbdevice
    uuid version vga virtfs vnc watchdog-action win2k-hack xen-attach xen-domid xen-domid-restrict
    """
)

MACHINE_PROPERTIES = _words(
    """
    acpi append boot bus-lock-ratelimit confidential-guest-support default-bus-bypass-iommu dt-compatible dtb
    dump-guest-core dumpdtb firmware graphics hpet i8042 initrd kernel kernel-irqchip kvm-shadow-mem
    max-fw-size max-ram-below-4g mem-merge memory memory-backend memory-encryption phandle-start pic pit sata
    sgx-epc smbios-entry-point-type smbus smm smp suppress-vmdesc usb vmport x-oem-id x-oem-table-id
    """
)

DRIVE_INTERFACES = _words("none ide scsi floppy pflash mtd sd virtio xen")

DRIVE_KEYS = _words(
    """
    addr aio auto-read-only backing.driver bps bps_max bps_rd bps_wr copy-on-read cyls detect-zeroes discard
    driver force-share group heads iops iops_max iops_rd iops_size iops_wr locking node-name read-only rerror
    secs trans werror
    """
)

IMAGE_FORMATS = _words(
    """
    blkdebug blklogwrites blkreplay blkverify bochs cloop compress copy-before-write copy-on-read dmg file ftp
    ftps gluster host_cdrom host_device http https iscsi iser luks nbd nfs null-aio null-co nvme parallels
    preallocate qcow qcow2 qed quorum raw rbd replication snapshot-access ssh throttle vdi vhdx vmdk vpc vvfat
    """
)

VGA = _words("std cirrus vmware qxl virtio xenfb tcx cg3 none")

DISPLAYS = _words("none default gtk sdl egl-headless curses cocoa spice-app dbus vnc")

CHARDEVS = _words(
    """
    none null stdio vc pty file pipe mon chardev con tcp telnet tn3270 websocket udp unix msmouse wctablet
    braille testdev serial parallel ringbuf
    """
)

LOG_ITEMS = _words(
    """
    out_asm in_asm op op_opt op_ind int exec cpu fpu mmu pcall cpu_reset unimp guest_errors page nochain plugin
    strace tid
    """
)
