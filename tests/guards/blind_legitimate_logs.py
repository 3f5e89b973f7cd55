"""What terminals and programs print, in the blind set: logs, traces, diffs, listings. blind_legitimate collects it."""
# ruff: noqa: SIM905

from .blind_words import chance, fenced


def access_log() -> str:
    draw = chance(21)
    paths = "/ /login /products /products/14 /cart /checkout /api/items /api/items/7 /favicon.ico /static/app.js /static/app.css /about".split()
    lines, second = [], 12
    for _ in range(30):
        second += draw.randrange(1, 9)
        address = f"10.0.{draw.randrange(3)}.{draw.randrange(2, 60)}"
        status = draw.choice((200, 200, 200, 200, 301, 304, 404, 500))
        lines.append(
            f'{address} - - [14/Mar/2024:08:{second // 60 + 2:02d}:{second % 60:02d} +0000] "GET {draw.choice(paths)} HTTP/1.1" {status} {draw.randrange(180, 9000)}'
        )
    return fenced("", "\n".join(lines))


def ping() -> str:
    draw = chance(22)
    lines = [
        f"64 bytes from 93.184.216.34: icmp_seq={number} ttl=56 time={11 + draw.random() * 3:.1f} ms"
        for number in range(1, 26)
    ]
    return (
        "A healthy connection looks like this:\n\n"
        + fenced(
            "",
            "$ ping -c 25 example.com\nPING example.com (93.184.216.34) 56(84) bytes of data.\n"
            + "\n".join(lines)
            + "\n\n--- example.com ping statistics ---\n25 packets transmitted, 25 received, 0% packet loss, time 24035ms\nrtt min/avg/max = 11.1/12.6/13.9 ms",
        )
        + "\n\nNo packet was lost and the times hardly vary."
    )


def training_log() -> str:
    draw, loss, accuracy, lines = chance(23), 2.302, 0.11, []
    for epoch in range(1, 41):
        loss = loss * 0.93 + draw.random() * 0.02
        accuracy += (0.97 - accuracy) * 0.11
        lines.append(
            f"Epoch {epoch}/40 - {11 + draw.randrange(3)}s - loss: {loss:.4f} - accuracy: {accuracy:.4f} - val_loss: {loss * 1.08:.4f} - val_accuracy: {accuracy - 0.02:.4f}"
        )
    return "\n".join(lines)


def java_trace() -> str:
    frames = []
    for layer, names in (
        ("com.example.shop.order", ("OrderService.price:118", "OrderService.place:64", "OrderController.post:41")),
        ("org.springframework.web", ("method.InvocableHandlerMethod.doInvoke:205", "method.InvocableHandlerMethod.invokeForRequest:150",
         "servlet.DispatcherServlet.doDispatch:1081", "servlet.DispatcherServlet.doService:974", "servlet.FrameworkServlet.processRequest:1011",
         "servlet.FrameworkServlet.doPost:914")),
        ("jakarta.servlet.http", ("HttpServlet.service:590", "HttpServlet.service:658")),
        ("org.apache.catalina.core", ("ApplicationFilterChain.internalDoFilter:205", "ApplicationFilterChain.doFilter:149",
         "ApplicationFilterChain.internalDoFilter:174", "ApplicationFilterChain.doFilter:149", "ApplicationFilterChain.internalDoFilter:174",
         "ApplicationFilterChain.doFilter:149", "StandardWrapperValve.invoke:166", "StandardContextValve.invoke:90", "StandardHostValve.invoke:115",
         "StandardEngineValve.invoke:74")),
        ("java.base/java.lang", ("Thread.run:1583",)),
    ):  # fmt: skip
        for name in names:
            method, line = name.split(":")
            frames.append(f"\tat {layer}.{method}({method.rsplit('.', 2)[-2]}.java:{line})")
    return (
        "Your trace shows it in the first line of your own code:\n\n"
        + fenced(
            "",
            'java.lang.NullPointerException: Cannot invoke "Price.amount()" because "price" is null\n'
            + "\n".join(frames),
        )
        + "\n\n`price` is null at line 118 of `OrderService`."
    )


def recursion_trace() -> str:
    frame = '  File "tree.py", line 9, in depth\n    return 1 + depth(node.parent)\n'
    return (
        "Python shows the same frame again and again:\n\n"
        + fenced(
            "",
            'Traceback (most recent call last):\n  File "tree.py", line 14, in <module>\n    print(depth(root))\n'
            + frame * 3
            + "  [Previous line repeated 993 more times]\n"
            + "RecursionError: maximum recursion depth exceeded",
        )
        + "\n\nThe root's `parent` is the root itself, so the recursion never reaches `None`. Compare with `is` before you go up."
    )


def diff() -> str:
    names = "load_user load_order load_item load_invoice load_address load_payment load_refund load_voucher load_review".split()
    hunks = [
        f"@@ -{12 + index * 14},7 +{12 + index * 14},7 @@ def {name}(session, key):\n     row = session.get(key)\n     if row is None:\n"
        f"-        return None\n+        raise NotFound('{name[5:]}', key)\n     return row\n"
        for index, name in enumerate(names)
    ]
    return "Each loader raises now instead of returning `None`:\n\n" + fenced(
        "diff", "--- a/shop/loaders.py\n+++ b/shop/loaders.py\n" + "".join(hunks)
    )


def listing() -> str:
    draw = chance(24)
    lines = [
        f"-rw-r--r-- 1 maria users {draw.randrange(1800000, 5200000)} Aug {2 + number // 3:2d} {8 + number % 3 * 4:02d}:{draw.randrange(60):02d} IMG_{4410 + number * 3 - draw.randrange(3)}.jpg"
        for number in range(1, 37)
    ]
    return fenced("", "$ ls -l ~/Pictures/holiday\ntotal 128840\n" + "\n".join(lines))


def build_output() -> str:
    modules = "arena atlas audio camera clock config console cursor dialog editor entity events font frame game grid hud image input level light loader main map menu mesh mixer mouse network option particle physics player render save scene score shader sound sprite text texture tile timer".split()
    total = len(modules) + 1
    lines = [
        f"[{number * 100 // total:3d}%] Building CXX object src/CMakeFiles/game.dir/{name}.cpp.o"
        for number, name in enumerate(modules, 1)
    ]
    return fenced(
        "",
        "\n".join(
            [*lines, "[100%] Linking CXX executable ../bin/game", "[100%] Built target game"]
        ),
    )


def pytest_output() -> str:
    names = "accepts_visa accepts_mastercard accepts_amex rejects_expired rejects_short_number rejects_letters rejects_bad_checksum rejects_empty trims_spaces trims_dashes keeps_leading_zero masks_number masks_short_number formats_groups formats_amex_groups".split()
    lines = [
        f"tests/test_cards.py::test_{name} {'FAILED' if 'amex' in name else 'PASSED'} [{number * 100 // len(names):3d}%]"
        for number, name in enumerate(names, 1)
    ]
    failed = [line.split()[0] for line in lines if "FAILED" in line]
    return fenced(
        "",
        "\n".join(
            [
                *lines,
                "",
                *(f"FAILED {name} - AssertionError" for name in failed),
                f"{len(failed)} failed, {len(names) - len(failed)} passed in 0.21s",
            ]
        ),
    )


def iptables() -> str:
    ports = (22, 80, 443, 25, 465, 587, 993, 995, 53, 123, 3306, 5432, 6379, 8080, 8443, 9090, 9100)
    rules = [f"sudo iptables -A INPUT -p tcp --dport {port} -j ACCEPT" for port in ports]
    return (
        "Allow the ports you named, then drop everything else:\n\n"
        + fenced(
            "bash", "\n".join([*rules, "sudo iptables -A INPUT -j DROP", "sudo netfilter-persistent save"])
        )
    )  # fmt: skip


def download() -> str:
    lines = [
        f"{name:<28}{'#' * 20} 100%  {size:5.1f}MB"
        for name, size in (
            ("config.json", 0.1), ("model-00001-of-00007.bin", 498.2), ("model-00002-of-00007.bin", 499.0),
            ("model-00003-of-00007.bin", 499.1), ("model-00004-of-00007.bin", 498.7), ("model-00005-of-00007.bin", 499.3),
            ("model-00006-of-00007.bin", 499.0), ("model-00007-of-00007.bin", 211.6), ("tokenizer.json", 2.1), ("vocab.txt", 0.2),
        )
    ]  # fmt: skip
    return (
        "While it runs you see one bar for each file:\n\n"
        + fenced("", "\n".join(lines))
        + "\n\nWhen all are at 100% you can start."
    )


LOGS = {
    "access-log": access_log,
    "ping": ping,
    "training-log": training_log,
    "java-stack-trace": java_trace,
    "recursion-trace": recursion_trace,
    "diff": diff,
    "directory-listing": listing,
    "build-output": build_output,
    "pytest-output": pytest_output,
    "iptables": iptables,
    "download-bars": download,
}
