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

DRIVE_DEVICE_PROPERTIES = _words(
    """
    account-failed account-invalid backend_defaults bios-chs-trans cyls discard_granularity drive-type fdtype
    heads logical_block_size min_io_size model opt_io_size physical_block_size secs ver wwn
    """
)

NETDEVS = _words(
    """
    l2tpv3 hubport stream dgram socket user vde bridge vhost-user vhost-vdpa tap af-xdp passt vmnet-host
    """
)

OBJECTS = _words(
    """
    authz-list authz-list-file authz-pam authz-simple can-bus can-host-socketcan colo-compare
    cryptodev-backend cryptodev-backend-builtin cryptodev-vhost-user dbus-vmstate filter-buffer filter-dump
    filter-mirror filter-redirector filter-replay filter-rewriter input-barrier input-linux main-loop
    memory-backend-epc memory-backend-file memory-backend-memfd pr-manager-helper qtest rng-builtin rng-egd
    rng-random secret_keyring sev-guest thread-context throttle-group tls-cipher-suites tls-creds-anon
    tls-creds-psk tls-creds-x509 vfio-user-server x-remote-object
    """
)

DEVICES = _words(
    """
    ahci e1000-82540em intel-hda lsi virtio-9p virtio-balloon virtio-blk virtio-net virtio-scsi virtio-serial
    AC97 AMDVI-PCI ES1370 VGA acpi-erst adlib am53c974 amd-iommu ati-vga bochs-display ccid-card-emulated
    ccid-card-passthru cirrus-vga cs4231a ctucan_pci cxl-downstream cxl-rp cxl-type3 cxl-upstream dc390
    e1000 e1000-82544gc e1000-82545em e1000e edu floppy guest-loader gus hda-duplex hda-micro hda-output
    hv-syndbg hyperv-testdev i2c-ddc i6300esb i8042 i82550 i82551 i82557a i82557b i82557c i82558a i82558b
    i82559a i82559b i82559c i82559er i82562 i82801 i82801b11-bridge ib700 ich9-ahci ich9-intel-hda
    ich9-usb-ehci1 ich9-usb-ehci2 ich9-usb-uhci1 ich9-usb-uhci2 ich9-usb-uhci3 ich9-usb-uhci4 ich9-usb-uhci5
    ich9-usb-uhci6 ide-cd ide-hd intel-hda intel-iommu ioh3420 ipmi-bmc-extern ipmi-bmc-sim ipoctal232
    isa-applesmc isa-cirrus-vga isa-debug-exit isa-debugcon isa-fdc isa-ide isa-ipmi-bt isa-ipmi-kcs
    isa-parallel isa-serial isa-vga ivshmem-doorbell ivshmem-plain kvaser_pci loader lsi53c810 lsi53c895a
    mc146818rtc megasas megasas-gen2 mioe3680_pci mptsas1068 ne2k_isa ne2k_pci nec-usb-xhci nvdimm nvme
    nvme-ns nvme-subsys pc-dimm pc-testdev pci-bridge pci-bridge-seat pci-ipmi-bt pci-ipmi-kcs pci-ohci
    pci-serial pci-serial-2x pci-serial-4x pci-testdev pcie-pci-bridge pcie-root-port pcm3680_pci pcnet
    piix3-ide piix3-usb-uhci piix4-ide piix4-usb-uhci pvpanic pvpanic-pci pvrdma pvscsi pxb pxb-cxl pxb-pcie
    qemu-xhci qxl qxl-vga ramfb rocker rtl8139 sb16 scsi-block scsi-cd scsi-generic scsi-hd sd-card
    sdhci-pci secondary-vga sga smbus-ipmi tpci200 tpm-crb tpm-tis tulip u2f-passthru usb-audio usb-bot
    usb-braille usb-ccid usb-ehci usb-host usb-hub usb-kbd usb-mouse usb-mtp usb-net usb-redir usb-serial
    usb-storage usb-tablet usb-uas usb-wacom-tablet vfio-pci vfio-pci-igd-lpc-bridge vfio-pci-nohotplug
    vhost-scsi vhost-scsi-pci vhost-scsi-pci-non-transitional vhost-scsi-pci-transitional vhost-user-blk
    vhost-user-blk-pci vhost-user-blk-pci-non-transitional vhost-user-blk-pci-transitional
    vhost-user-fs-device vhost-user-fs-pci vhost-user-gpio-device vhost-user-gpio-pci vhost-user-gpu
    vhost-user-gpu-pci vhost-user-i2c-device vhost-user-i2c-pci vhost-user-input vhost-user-input-pci
    vhost-user-rng vhost-user-rng-pci vhost-user-scsi vhost-user-scsi-pci
    vhost-user-scsi-pci-non-transitional vhost-user-scsi-pci-transitional vhost-user-vga
    vhost-user-vsock-device vhost-user-vsock-pci vhost-user-vsock-pci-non-transitional vhost-vsock-device
    vhost-vsock-pci vhost-vsock-pci-non-transitional virtconsole virtio-9p-device virtio-9p-pci
    virtio-9p-pci-non-transitional virtio-9p-pci-transitional virtio-balloon-device virtio-balloon-pci
    virtio-balloon-pci-non-transitional virtio-balloon-pci-transitional virtio-blk-device virtio-blk-pci
    virtio-blk-pci-non-transitional virtio-blk-pci-transitional virtio-crypto-device virtio-crypto-pci
    virtio-gpu-device virtio-gpu-gl-pci virtio-gpu-pci virtio-input-host-device virtio-input-host-pci
    virtio-iommu-device virtio-iommu-pci virtio-keyboard-device virtio-keyboard-pci virtio-mem
    virtio-mem-pci virtio-mouse-device virtio-mouse-pci virtio-net-device virtio-net-pci
    virtio-net-pci-non-transitional virtio-net-pci-transitional virtio-pmem virtio-pmem-pci
    virtio-rng-device virtio-rng-pci virtio-rng-pci-non-transitional virtio-rng-pci-transitional
    virtio-scsi-device virtio-scsi-pci virtio-scsi-pci-non-transitional virtio-scsi-pci-transitional
    virtio-serial-device virtio-serial-pci virtio-serial-pci-non-transitional virtio-serial-pci-transitional
    virtio-tablet-device virtio-tablet-pci virtio-vga virtio-vga-gl virtserialport vmbus-bridge vmcoreinfo
    vmgenid vmmouse vmware-svga vmxnet3 x-pci-proxy-dev x3130-upstream xio3130-downstream
    """
)
