"""A headless Chromium for tests of pages: what it shows, says on its console, and asks of the network."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900",
)  # fmt: skip


def find_browser() -> tuple[str, str] | None:
    """Return the paths of Chromium and its driver, or None."""
    programs = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for name in programs if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


class Browser:
    """One window; `driver` is selenium's."""

    def __init__(self, chromium: str, chromedriver: str, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # The path of the driver is given, so that selenium does not look for one on the network.
        self.driver = webdriver.Chrome(options=options, service=Service(chromedriver))

    def open(self, page: Path, *, dark: bool = False, width: int = 1280, height: int = 900) -> None:
        """Open a file with the media and the size of a window, and forget what the last page logged."""
        self.driver.get("about:blank")
        self.media(dark=dark)
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.console()
        self.requests()
        self.driver.get(page.resolve().as_uri())

    def media(self, *, dark: bool) -> None:
        """Set what prefers-color-scheme says."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        # Without motion: nothing moves away while the mouse is on its way.
        motion = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme, motion])

    def js(self, script: str, *arguments: Any) -> Any:
        """Run a function body in the page and return its result."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        """Return the elements of a CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        """Return the first element of a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        """Click on the first element of a CSS selector, in the middle of the window."""
        element = self.one(selector)
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def hover(self, element: Any, x: int = 0, y: int = 0) -> None:
        """Move the mouse to an element's middle, or so far from it."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).move_to_element_with_offset(element, x, y).perform()

    def console(self) -> list[str]:
        """Return what the console has said since the last call, errors and warnings of any kind."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]

    def requests(self) -> list[str]:
        """Return the addresses asked for since the last call.

        data: is no request, nor is what the page's policy stopped: that is an error on the console.
        """
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        stopped = {
            event["params"]["requestId"]
            for event in events
            if event["method"] == "Network.loadingFailed" and event["params"].get("blockedReason") == "csp"
        }
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        urls = [request["request"]["url"] for request in sent if request["requestId"] not in stopped]
        return [url for url in urls if not url.startswith(("data:", "about:"))]

    def screenshot(self, path: Path) -> None:
        """Write the whole page as PNG."""
        size = self.js("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        shot = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """Return the page printed."""
        return base64.b64decode(self.cdp("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

    def cdp(self, command: str, **parameters: Any) -> Any:
        """Send a command of the Chrome DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def close(self) -> None:
        """End it."""
        self.driver.quit()
