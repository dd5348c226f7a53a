from __future__ import annotations

import pytest

from crm_mailer.model.customer import Occupation
from crm_mailer.segmenting.occupations import occupation

TEACHER = Occupation.STUDENT_OR_TEACHER

AT_THE_PLACE = {
    "Lincoln High School, 5 Main St": TEACHER,
    "Room 12, School of Engineering, 200 College Ave": TEACHER,
    "University of St Andrews, College Gate": TEACHER,
    "МБОУ СОШ № 5, ул. Ленина 3": TEACHER,
    "ул. Ленина 3, школа 5": TEACHER,
    "Calle Mayor 5, Colegio San José": TEACHER,
    "Universidad de Sevilla, Calle San Fernando 4": TEACHER,
    "清华大学紫荆公寓": TEACHER,
    "大学城华南师范大学": TEACHER,
    "University Hospital, 3 High St": Occupation.HOSPITAL,
    "Городская больница №2": Occupation.HOSPITAL,
    "Hospital Clínico, planta 3": Occupation.HOSPITAL,
    "广州市第一人民医院": Occupation.HOSPITAL,
    "Town Hall, Market Square": Occupation.OFFICIAL,
    "Прокуратура Ленинского района, ул. Мира 1": Occupation.OFFICIAL,
    "Ayuntamiento de Lugo": Occupation.OFFICIAL,
    "Juzgado nº 3, Plaza de Castilla 1": Occupation.OFFICIAL,
    "上海市人民法院": Occupation.OFFICIAL,
    "某某区人民检察院": Occupation.OFFICIAL,
    "PSC 3 Box 12, APO AE 09012": Occupation.MILITARY,
    "Войсковая часть 12345": Occupation.MILITARY,
    "в/ч 12345": Occupation.MILITARY,
    "某市武警支队": Occupation.MILITARY,
    "Unit 4, Riverside Industrial Estate": Occupation.COMPANY,
    "ООО Ромашка, Тверская 5": Occupation.COMPANY,
    "завод Звезда, проходная 2": Occupation.COMPANY,
    "Ferretería Gómez S.L., Calle A 4": Occupation.COMPANY,
    "深圳市某某科技有限公司": Occupation.COMPANY,
    "School Supplies Ltd, 4 High Street": Occupation.COMPANY,
}
ONLY_A_NAME = [
    "12 School Lane",
    "School House Lane 4",
    "7 University Avenue",
    "Hospital Hill Rd 4",
    "1 Court Road",
    "6 College Park Drive",
    "The Old School, Hill Rd",
    "near Central Hospital, 5 Hill Rd",
    "Post Office, 4 High Street",
    "5 Oak Court",
    "ул. Школьная, 5",
    "Университетский проспект 4",
    "ул. Институт, 4",
    "Больничный переулок 2",
    "Ханты-Мансийский АО",
    "Avenida de la Universidad 5",
    "Calle del Hospital 3",
    "Rue de l'Université 12",
    "Schulstraße 5",
    "北京市海淀区学院路30号",
    "大学南路5号",
    "中山医院对面",
    "5 Oak Drive",
    "",
    " , ; ",
]


@pytest.mark.parametrize(("street", "expected"), AT_THE_PLACE.items())
def test_a_place_in_the_address_suggests_an_occupation(street: str, expected: str) -> None:
    assert occupation(street) == expected


@pytest.mark.parametrize("street", ONLY_A_NAME)
def test_a_street_that_is_only_named_so_suggests_none(street: str) -> None:
    assert occupation(street) is None


def test_case_does_not_matter() -> None:
    assert occupation("LINCOLN HIGH SCHOOL") is TEACHER
    assert occupation("ГОРОДСКАЯ БОЛЬНИЦА №2") is Occupation.HOSPITAL
