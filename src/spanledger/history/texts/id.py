"""Indonesian. Pure."""

from collections.abc import Mapping
from typing import Final

INDONESIAN: Final[Mapping[str, str]] = {
    # What an action is.
    "kind_tool": "panggilan alat",
    "kind_call": "panggilan model",
    "kind_agent": "agen",
    "kind_operation": "operasi",
    "kind_session": "sesi",
    "the_tool": "alat {name}",
    "the_call": "panggilan ke {name}",
    "the_agent": "agen {name}",
    "the_operation": "operasi {name}",
    "the_session": "sesi {name}",
    # How it went.
    "status_success": "berhasil",
    "status_error": "gagal",
    "status_completed": "selesai",
    "status_incomplete": "tidak selesai",
    "status_partial": "sebagian",
    # Why it was done.
    "what": "Tindakannya: {action}; status: {status}, setelah {duration}.",
    "command": "Perintah yang dilayani: “{command}”.",
    "no_command": "Perintah yang dilayani tidak dicatat.",
    "part_of": "Ini bagian dari {names}.",
    "asked_by": "Ini diminta oleh {names}.",
    "given": "Ini menerima hasil dari {names}.",
    "failed": "Ini gagal: {why}.",
    "refused": "Ditolak oleh penjaga: {reason}, menurut aturan {rule}.",
    "again": "Hal yang sama sudah gagal sebelumnya: ini percobaan ulang.",
    "failed_before": "Yang gagal sebelumnya: {names}.",
    "cost": "Biayanya {cost} dan memakai {tokens} token.",
    "led_to": "Ini menghasilkan {names}.",
    "more": "{count} lagi",
    # Several actions.
    "summary_none": "Tidak ada tindakan yang dicatat.",
    "summary_one": "Tindakan terakhir: {statuses}; dari {start} sampai {end}.",
    "summary_many": "{count} tindakan terakhir: {statuses}; dari {start} sampai {end}.",
    "summary_cost": "Panggilan model berbiaya {cost} dan memakai {tokens} token.",
    "summary_unpriced": "{count} panggilan model tanpa harga yang diketahui tidak termasuk.",
    "summary_command": "Perintah terbaru: “{command}”.",
    "summary_kinds": "Paling sering: {names}.",
    "summary_failed": "Gagal: {names}.",
    "not_recorded": "tidak dicatat",
    # What stands out.
    "unusual_rare": "{name} dilakukan {times} kali di antara {total} tindakan {agent}",
    "unusual_slow": "berlangsung {value}; biasanya {usual}",
    "unusual_dear": "berbiaya {value}; biasanya {usual}",
    "unusual_failed": "gagal; {name} berhasil dalam {percent} % dari {total} kali",
    "nobody": "tanpa agen",
    # Tables.
    "title": "Yang telah dilakukan",
    "command_title": "Perintah",
    "when": "waktu",
    "action": "tindakan",
    "arguments": "argumen",
    "result": "hasil",
    "status": "status",
    "took": "durasi",
    "agent": "agen",
    "cost_column": "biaya",
    "no_actions": "Tidak ada tindakan.",
}
