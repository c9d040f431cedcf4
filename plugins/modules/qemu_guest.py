#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qemu_guest
short_description: Define, start, stop and remove QEMU guests
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Keeps guests on a host, each as a process of QEMU under a supervisor, with its disks, taps and seed.
  - A running guest is controlled by QMP. It is stopped by its power button, then by telling QEMU to quit.
  - An option that is not given is left as it is, so O(state=stopped) and a name are enough to stop a guest. Lists and
    dictionaries are complete, and an empty text, list or dictionary takes away what was set before.
  - A guest that runs goes on when its definition changes. What can change meanwhile does, such as its O(nics) and the
    VNC password; if more is needed, RV(guests[].restart_required) says so, and O(allow_restart=true) does it.
  - A guest named NAME has its definition in C(/etc/virtnet/guests/NAME.json), its disks and seed in
    C(/var/lib/virtnet/guests/NAME/), and its sockets, named in RV(guests[].sockets), in C(/run/virtnet/guests/NAME/).
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.netlink
requirements:
  - QEMU 6.0 or newer, with qemu-img
  - qemu.qmp, of the module's Python or in the virtual environment C(/opt/virtnet/venv), which the role
    P(virtnet.qemu.host_setup#role) makes
  - xorriso, for O(seed)
options:
  name:
    description: Name of the guest, at most 63 letters, digits and C(-), C(_), C(.) between them.
    type: str
  state:
    description:
      - V(started) and V(stopped) define the guest too, when there is none of that name.
      - V(restarted) stops and starts it, or starts it.
      - V(present) defines it and leaves it running or stopped.
      - V(absent) stops it and removes all that was made for it, its disks included; see O(keep_disks).
    type: str
    choices: [started, stopped, restarted, present, absent]
    default: started
  machine: &machine
    description:
      - Machine type, as C(qemu-system-x86_64 -machine help) lists them, and its properties, as in V(pc,hpet=off).
      - The default of a new guest is V(q35,hpet=off). The HPET would cost the host hundreds of wakeups a second for
        each guest, also for one that is idle.
    type: str
  accel: &accel
    description:
      - How the guest's instructions are run.
      - V(auto), the default of a new guest, is V(kvm) where the guest's user can open C(/dev/kvm) and, on x86, the
        processor has the flag vmx or svm. Elsewhere it is V(tcg), which works everywhere but is many times slower, with
        a warning.
    type: str
    choices: [auto, kvm, tcg]
  cpu: &cpu
    description:
      - CPU model, as C(qemu-system-x86_64 -cpu help) lists them, and its properties, as in V(EPYC,-svm).
      - The default is V(host) with KVM and V(max) without.
    type: str
  cpus: &cpus
    description: Number of virtual CPUs. The default of a new guest is 1.
    type: int
  memory: &memory
    description:
      - Memory as a number with the unit V(M), V(G) or V(T), which are powers of 1024. A number alone is in MiB.
      - The default of a new guest is V(1G). More than the host has is refused.
    type: str
  uuid: &uuid
    description: UUID of the machine. Without one it is derived from O(fleet), O(host) and the guest's name.
    type: str
  disks: &disks
    description: Disks and CD-ROMs, in the order in which the guest sees them.
    type: list
    elements: dict
    suboptions:
      file:
        description:
          - The image, or a block device. What is not an absolute path is in the guest's own directory, and of a CD-ROM
            in C(/var/lib/virtnet/images/).
          - One that is missing is made if O(disks[].base) or O(disks[].size) says how.
        type: str
        required: true
      base:
        description:
          - An image that a missing O(disks[].file) is made an overlay over, so that it holds the differences only.
          - What is not an absolute path is in C(/var/lib/virtnet/images/).
        type: str
      size:
        description:
          - Size of the disk as the guest sees it, as a number with the unit V(K), V(M), V(G) or V(T), powers of 1024.
          - The default is that of O(disks[].base). A disk that is smaller grows when the guest does not run; none
            shrinks.
        type: str
      format:
        description: Format of the file. The default is V(qcow2) for one that is made, and else what the file is now.
        type: str
        choices: [qcow2, raw, vmdk, vdi, vhdx, qed]
      interface:
        description: How the guest sees the disk. The default is V(virtio), and V(sata) for a CD-ROM.
        type: str
        choices: [virtio, scsi, sata, ide]
      cache:
        description: How the host caches writes, see C(-drive) in qemu(1). QEMU's default is V(writeback).
        type: str
        choices: [writeback, none, writethrough, directsync, unsafe]
      read_only:
        description: The guest cannot write.
        type: bool
        default: false
      cdrom:
        description: A CD-ROM drive with the file as its medium.
        type: bool
        default: false
  boot: &boot
    description: From what the firmware boots, see C(-boot) in qemu(1).
    type: dict
    suboptions:
      order:
        description: Letters in the order to try, V(c) for the first disk, V(d) for the first CD-ROM, V(n) for the
          network.
        type: str
      once:
        description: The order for the first boot after each start of QEMU only.
        type: str
      menu:
        description: Show the firmware's boot menu.
        type: bool
  kernel: &kernel
    description:
      - A Linux kernel that is booted without any firmware menu or boot loader.
      - What is not an absolute path is in C(/var/lib/virtnet/images/).
    type: str
  initrd: &initrd
    description: The initramfs that goes with O(kernel).
    type: str
  append: &append
    description: The command line of O(kernel), for example V(console=ttyS0).
    type: str
  nics: &nics
    description:
      - NICs, in the order in which a new guest sees them. The default of a new guest is none.
      - A running guest gets and loses NICs at once, as far as O(hotplug_slots) and its own operating system allow.
        A NIC with other options than before is unplugged and plugged in; another O(nics[].bridge) is not noticed by
        the guest. What cannot be done is told by a warning and needs a restart.
      - A NIC keeps its place on the guest's PCI bus as long as there is a NIC of that O(nics[].id). Give an id to those
        that are to come and go, so that the others keep what is derived from their number.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(tap) is a tap on O(nics[].bridge), made when the guest starts and gone when it ends. Without a bridge it
            is a tap that exists already, O(nics[].ifname).
          - V(bridge) is a tap that QEMU gets from C(qemu-bridge-helper), which must be setuid and allow the bridge in
            its C(bridge.conf).
          - V(user) is QEMU's own network, which needs no set-up of the host, and through which the guest reaches what
            the host reaches.
          - V(none), as the only entry, says that the guest has no NIC.
        type: str
        choices: [tap, bridge, user, none]
        default: tap
      bridge:
        description: The bridge that the NIC is on.
        type: str
      isolated:
        description: Among the ports of the bridge, the NIC's tap reaches only those that are not isolated, such as the
          host or an uplink.
        type: bool
        default: false
      ifname:
        description:
          - Name of the tap on the host, at most 15 bytes.
          - The default is the guest's name, a dash and O(nics[].id) or else the number of the NIC from 0, shortened if
            it is too long.
        type: str
      model:
        description: Model of the NIC, as C(qemu-system-x86_64 -nic model=help) lists them. V(virtio) is
          V(virtio-net-pci).
        type: str
        default: virtio-net-pci
      mac:
        description: MAC address. Without one it is derived from O(fleet), O(host), the guest's name and O(nics[].id) or
          else the NIC's number.
        type: str
      id:
        description: Name of the device in QEMU, by which a running guest's NICs are told apart. The default is C(nic)
          and the number of the NIC from 0.
        type: str
      queues:
        description: Number of queues of a virtio NIC on a tap, at best one for each virtual CPU.
        type: int
        default: 1
      vhost:
        description:
          - Let the host's kernel move the packets of a virtio NIC on a tap.
          - The default is V(true) where the guest's user can open C(/dev/vhost-net).
        type: bool
      pci_address:
        description:
          - Device number, and function if any, on the root bus, in hexadecimal, as in V('05') or V('05.0').
          - On machines with PCI Express such as V(q35), such a NIC cannot come and go while the guest runs. There,
            the numbers from 14 on are those of the slots.
        type: str
      vectors:
        description: Number of MSI-X vectors. QEMU's default fits, and with many queues it is two for each and two more.
        type: int
      romfile:
        description: The option ROM, for boot from the network. V('off') leaves the NIC without. QEMU's default is its
          own.
        type: str
      script:
        description:
          - An executable that is run as root before each start, or before the NIC is plugged in, when the tap is on its
            bridge, with the tap's name as its argument. Unlike a script of QEMU's own it need not make anything, and a
            failure stops the start.
        type: path
      downscript:
        description:
          - An executable that is run as root after each end, before the tap is removed, with the tap's name as its
            argument.
          - With O(supervisor=daemon), when the guest powered itself off, it is run by the next run of this module.
        type: path
      restrict:
        description: Let a NIC of type V(user) reach neither the host nor beyond; O(nics[].hostfwd) works nevertheless.
        type: bool
        default: false
      hostfwd:
        description: Ports of the host that lead to a NIC of type V(user).
        type: list
        elements: dict
        default: []
        suboptions:
          port:
            description: Port of the host.
            type: int
            required: true
          guest_port:
            description: Port of the guest. The default is O(nics[].hostfwd[].port).
            type: int
          protocol:
            description: Transport protocol.
            type: str
            choices: [tcp, udp]
            default: tcp
          address:
            description: The host's IPv4 address to listen on; V(0.0.0.0) is all of them.
            type: str
            default: 127.0.0.1
  hotplug_slots: &hotplug_slots
    description:
      - How many NICs a running guest can get beside those it started with, from 0 to 32. The default of a new guest is
        4. They are PCIe root ports; a machine with plain PCI, such as V(pc), has room without any.
      - A change holds from the next start on, which also makes up for the slots that were used since the last one.
    type: int
  host_devices: &host_devices
    description:
      - Devices of the host that the guest has as its own (VFIO), NICs above all. Each must be bound to vfio-pci, which
        M(virtnet.qemu.vfio_bind) does. The default of a new guest is none.
      - A change holds from the next start on. A guest with such a device has all of its memory in the host's, from its
        start on.
      - One device cannot be of two guests, nor can its IOMMU group be of two that run.
    type: list
    elements: dict
    suboptions:
      device:
        description:
          - The device, by its PCI address, with or without domain, as in V('0000:04:00.0'), the MAC address or the name
            that its interface had, or the serial number that C(lspci -v) tells.
          - With V(/N) behind it, virtual function N of that device, as in V(enp4s0/0).
        type: str
        required: true
      id:
        description: Name of the device in QEMU. The default is C(host) and the number of the device from 0.
        type: str
      romfile:
        description: The option ROM, for boot from the network. V('off') leaves the device without. The default is the
          device's own.
        type: str
      multifunction:
        description: Whether more functions of that device number follow, each with its O(host_devices[].pci_address).
        type: bool
      pci_address:
        description:
          - Device number, and function if any, on the guest's root bus, in hexadecimal, as in V('05') or V('05.0').
          - The default is a slot of its own, which on machines with PCI Express is a root port.
        type: str
  display: &display
    description: The screen. The default of a new guest is none; its serial console is always there.
    type: dict
    suboptions:
      type:
        description: V(vnc) is on O(display.number) or, without one, on O(display.socket).
        type: str
        choices: [none, vnc]
        default: none
      number:
        description: Number of the display. VNC is on TCP port 5900 plus this number.
        type: int
      address:
        description: The host's address to listen on. The default is V(127.0.0.1).
        type: str
      socket:
        description: Path of a unix socket. The default is C(vnc.sock) among the guest's other sockets.
        type: path
      password:
        description:
          - At most 8 bytes. It is kept in a file that only the guest's user can read, and is not on QEMU's command
            line.
        type: str
  seed: &seed
    description:
      - A disk with the label cidata, from which cloud-init configures the guest (its data source NoCloud).
      - The guest sees a changed seed from its next start on, and cloud-init reads it all when O(seed.instance_id)
        changed too.
    type: dict
    suboptions:
      user_data:
        description: The file user-data, as a text, or as a dictionary that becomes a C(#cloud-config).
        type: raw
      network_config:
        description: The file network-config, as a text or a dictionary. Without one the guest's own default holds,
          mostly DHCP.
        type: raw
      hostname:
        description: The guest's host name. The default is the guest's name.
        type: str
      ssh_keys:
        description: Public SSH keys for the image's default user.
        type: list
        elements: str
      instance_id:
        description: cloud-init does what is done once for an instance again when this changes. The default is the
          guest's name.
        type: str
  guest_agent: &guest_agent
    description: Give the guest a port for qemu-guest-agent, on the socket C(agent.sock). The default of a new guest is
      V(true).
    type: bool
  rng: &rng
    description: Give the guest a source of randomness, virtio-rng. The default of a new guest is V(true).
    type: bool
  arguments: &arguments
    description: More arguments for QEMU, at the end of its command line. They are not looked at.
    type: list
    elements: str
  emulator: &emulator
    description: Path of the QEMU binary. The default is that for the host's own architecture.
    type: str
  user: &user
    description:
      - The user as whom QEMU runs. It must exist, and must be able to read the images.
      - The default of a new guest is V(virtnet-qemu). QEMU runs as root only with V(root).
    type: str
  autostart: &autostart
    description:
      - Start the guest when the host boots. The default of a new guest is V(true).
      - The supervisor V(daemon) does not start anything at boot; there, the next run of this module does.
    type: bool
  start_timeout: &start_timeout
    description: Seconds for QEMU to be ready. The guest's own boot is not waited for. The default of a new guest is 60.
    type: int
  stop_timeout: &stop_timeout
    description:
      - Seconds from the power button to the guest's end, after which QEMU is told to quit. The default of a new guest
        is 60.
      - The button is pressed again every 5 seconds, since a guest that boots does not feel it.
    type: int
  supervisor: &supervisor
    description:
      - What keeps the process. V(auto), the default of a new guest, is V(systemd) where it is PID 1, and V(daemon)
        elsewhere.
      - With systemd the unit is C(virtnet-guest-NAME.service).
    type: str
    choices: [auto, systemd, daemon]
  allow_restart: &allow_restart
    description: Restart a running guest when that is needed for it to be as wanted.
    type: bool
    default: false
  keep_disks: &keep_disks
    description: With O(state=absent), leave the disks that were made for the guest.
    type: bool
    default: false
  fleet: &fleet
    description: Name of the fleet, from which MAC addresses and the UUID are derived.
    type: str
    default: virtnet
  host: &host
    description: Name of the host, from which MAC addresses and the UUID are derived. The default is its host name.
    type: str
  config:
    description: Many guests, with the same options, as one transaction. They are started, and stopped, all at once.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the guest.
        type: str
        required: true
      state:
        description: As O(state).
        type: str
        choices: [started, stopped, restarted, present, absent]
        default: started
      machine: *machine
      accel: *accel
      cpu: *cpu
      cpus: *cpus
      memory: *memory
      uuid: *uuid
      disks: *disks
      boot: *boot
      kernel: *kernel
      initrd: *initrd
      append: *append
      nics: *nics
      hotplug_slots: *hotplug_slots
      host_devices: *host_devices
      display: *display
      seed: *seed
      guest_agent: *guest_agent
      rng: *rng
      arguments: *arguments
      emulator: *emulator
      user: *user
      autostart: *autostart
      start_timeout: *start_timeout
      stop_timeout: *stop_timeout
      supervisor: *supervisor
      allow_restart: *allow_restart
      keep_disks: *keep_disks
      fleet: *fleet
      host: *host
seealso:
  - module: virtnet.qemu.bridge
  - module: virtnet.qemu.tap
  - module: virtnet.qemu.vfio_bind
  - module: virtnet.qemu.micro_guest
  - module: virtnet.qemu.guest_exec
"""

EXAMPLES = r"""
- name: A guest with a disk over a cloud image, on a bridge
  virtnet.qemu.qemu_guest:
    name: web1
    memory: 1G
    cpus: 2
    disks:
      - {file: web1.qcow2, base: debian13.qcow2, size: 20G}
    nics:
      - {bridge: br-lab}
    seed:
      ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2w6Dn4xGbNhhRnLDNyLb0qJZQ2f1Gm0mT5pXwYbVQ6 you@example]

- name: Without any network of the host, and with SSH on a port of it
  virtnet.qemu.qemu_guest:
    name: box
    disks:
      - {file: /var/lib/virtnet/images/box.qcow2}
    nics:
      - type: user
        hostfwd: [{port: 2222, guest_port: 22}]
    display: {type: vnc, address: 127.0.0.1, number: 1, password: sesame}

- name: Install from a CD-ROM on an empty disk, and boot from the disk ever after
  virtnet.qemu.qemu_guest:
    name: new1
    disks:
      - {file: new1.qcow2, size: 10G, cache: writeback}
      - {file: netinst.iso, cdrom: true}
    boot: {order: c, once: d}
    nics:
      - {bridge: br-lab, model: e1000, mac: '52:54:00:12:34:56', romfile: 'off'}

- name: Two guests that boot a kernel directly
  virtnet.qemu.qemu_guest:
    config:
      - {name: g1, memory: 192M, kernel: micro/vmlinuz, initrd: micro/initrd.img, nics: [{bridge: br-lab}]}
      - {name: g2, memory: 192M, kernel: micro/vmlinuz, initrd: micro/initrd.img, nics: [{bridge: br-lab}]}

- name: More memory, with a restart if the guest runs
  virtnet.qemu.qemu_guest:
    name: web1
    memory: 2G
    allow_restart: true

- name: A second NIC for a guest that runs, isolated from the other guests on its bridge
  virtnet.qemu.qemu_guest:
    name: web1
    nics:
      - {bridge: br-lab}
      - {bridge: br-lab, id: extra, isolated: true}

- name: Stop a guest
  virtnet.qemu.qemu_guest:
    name: web1
    state: stopped

- name: Remove a guest with all that was made for it
  virtnet.qemu.qemu_guest:
    name: web1
    state: absent
"""

RETURN = r"""
guests:
  description: The guests that were asked for, as they are now; in check mode as they would be. Absent ones are left
    out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the guest.
      type: str
      returned: always
      sample: web1
    running:
      description: Whether QEMU runs.
      type: bool
      returned: always
    pid:
      description: Process of QEMU on the host, or nothing.
      type: int
      returned: always
      sample: 4711
    accel:
      description: V(kvm) or V(tcg).
      type: str
      returned: always
      sample: kvm
    uuid:
      description: UUID of the machine.
      type: str
      returned: always
      sample: 92a9e221-378e-5b9e-9ecc-699f78f88cae
    argv:
      description:
        - The command line of QEMU at its next start.
        - With O(supervisor=daemon) QEMU gets its taps as open descriptors, in place of their names.
      type: list
      elements: str
      returned: always
      sample: [/usr/bin/qemu-system-x86_64, -name, web1]
    macs:
      description: MAC addresses of the NICs.
      type: list
      elements: str
      returned: always
      sample: ['52:54:00:45:06:8f']
    sockets:
      description: Paths of the unix sockets, under the keys V(qmp), V(console), V(agent) and V(vnc) as far as there are
        any.
      type: dict
      returned: always
      sample: {console: /run/virtnet/guests/web1/console.sock}
    restart_required:
      description: The guest runs, but must be restarted to be as it is defined; see O(allow_restart).
      type: bool
      returned: always
commands:
  description:
    - The changes as a person would type them; in check mode those that would be made. With systemd, the unit runs those
      that make and remove taps.
  returned: success
  type: list
  elements: str
  sample: [qemu-img create -q -f qcow2 -b /srv/debian13.qcow2 -F qcow2 /var/lib/virtnet/guests/web1/web1.qcow2]
before:
  description: The changed guests as they were; one that did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The changed guests as they are now; one that was removed is left out.
  returned: success
  type: list
  elements: dict
repaired:
  description:
    - What had been changed by hand since an earlier run, and was put right; in check mode what would be.
    - See the collection's docs/drift.md for what is known of earlier runs. A warning says the same.
  returned: success
  type: list
  elements: str
  sample: ["guest web1: tap web1-0 was off bridge br-lab"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.guest import GuestHost
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest import Guest


def main() -> None:
    run_module(Guest, GuestHost)


if __name__ == "__main__":
    main()
