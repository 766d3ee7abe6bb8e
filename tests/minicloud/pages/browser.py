"""A browser without a screen, and what an operator does with it."""

import contextlib
import pathlib
import tempfile
from collections.abc import Callable
from collections.abc import Iterator

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import Select
from selenium.webdriver.support.ui import WebDriverWait

from tests.minicloud import stages

PATIENCE = 120
#: Chromium asks nobody outside, and shows nothing
FLAGS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--window-size=1400,1000',
)


@contextlib.contextmanager
def opened(pictures: pathlib.Path) -> Iterator['Browser']:
    """A browser with nothing of an earlier one; it ends with the block.

    :param pictures: folder; what it showed when something failed goes there
    """
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = '/usr/bin/chromium'
        for flag in (*FLAGS, f'--user-data-dir={profile}'):
            options.add_argument(flag)
        driver = webdriver.Chrome(
            options, webdriver.ChromeService('/usr/bin/chromedriver')
        )
        driver.set_page_load_timeout(PATIENCE)
        try:
            yield Browser(driver)
        except Exception:
            driver.save_screenshot(str(pictures / 'failed.png'))
            raise
        finally:
            driver.quit()


class Browser:
    """Clicks and reads; every wait has a bound."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self._wait = WebDriverWait(driver, PATIENCE)

    def log_in(self, name: str, password: str) -> None:
        """Open Horizon and log in."""
        self.driver.get(f'{stages.url("horizon")}/auth/login/')
        self.type('username', name)
        self.type('password', password)
        self._find(By.ID, 'loginBtn').click()
        self._find(By.ID, 'content_body')

    def panel(self, name: str) -> None:
        """Choose a panel of Watcher's in the menu, which unfolds for it."""
        for group in ('admin', 'admin-watcher'):
            target = f'[data-target="#sidebar-accordion-{group}"]'
            head = self._find(By.CSS_SELECTOR, target)
            if 'collapsed' in str(head.get_attribute('class')):
                head.click()
        self._click(By.CSS_SELECTOR, f'#sidebar a[href$="/admin/{name}/"]')
        self.says_in('h1', name.replace('_', ' ').title())

    def press(self, text: str, within: str = '') -> None:
        """Click on the link or button that says so.

        :param within: of the table's row that has this text
        """
        row = f'//tr[contains(., "{within}")]' if within else ''
        self._click(
            By.XPATH,
            '|'.join(
                f'{row}//{form}'
                for form in (
                    f'a[normalize-space()="{text}"]',
                    f'button[normalize-space()="{text}"]',
                    f'input[@type="submit" and @value="{text}"]',
                )
            ),
        )

    def type(self, field: str, text: str) -> None:
        """Fill in a field of a form."""
        element = self._find(By.NAME, field)
        element.clear()
        element.send_keys(text)

    def choose(self, field: str, text: str) -> None:
        """Select from a list, once the list has it."""
        listed = f'//select[@name="{field}"]/option[text()="{text}"]'
        self._wait.until(
            expected.presence_of_element_located((By.XPATH, listed))
        )
        Select(self._find(By.NAME, field)).select_by_visible_text(text)

    def submit(self) -> None:
        """Send the form that lies over the page."""
        self._click(By.CSS_SELECTOR, '.modal [type="submit"]')

    def row(self, text: str) -> str:
        """The table's row that has this text."""
        return self._find(By.XPATH, f'//tr[contains(., "{text}")]').text

    def until(
        self, again: Callable[[], None], fits: Callable[[], bool]
    ) -> None:
        """Look again and again until what is seen fits."""

        def look(_: object) -> bool:
            again()
            return fits()

        self._wait.until(look, 'what was waited for')

    def says(self, text: str) -> None:
        """Wait until the page says so."""
        self._wait.until(lambda _: text in self.text(), f'"{text}"')

    def says_in(self, tag: str, text: str) -> None:
        """Wait until an element of the page says so."""
        self._find(By.XPATH, f'//{tag}[contains(., "{text}")]')

    def text(self) -> str:
        """What is to read on the page."""
        return self._find(By.TAG_NAME, 'body').text

    def picture(self, path: pathlib.Path) -> None:
        """The page as it is seen, whole."""
        height = self.driver.execute_script(
            'return document.documentElement.scrollHeight'
        )
        self.driver.set_window_size(1400, int(height) + 120)
        self.driver.save_screenshot(str(path))

    def _click(self, by: str, what: str) -> None:
        self._wait.until(
            expected.element_to_be_clickable((by, what)), what
        ).click()

    def _find(self, by: str, what: str) -> WebElement:
        return self._wait.until(
            expected.visibility_of_element_located((by, what)), what
        )
